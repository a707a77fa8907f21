#pragma once

// The types of an aggregate's members, references included.
//
// 1. The number of initialisers is the largest n for which T{x1, …, xn} is well-formed with x convertible to
// anything.
//    A member that must be initialised makes small n ill-formed, so the search goes up to the first n that
//    works and on to the last.
// 2. A C array takes as many initialisers as it has elements (braces elided), every other member one.
// 3. A base class takes one too, but has no place in a structured binding; a union, anonymous or not, cannot be
// looked
//    into. Both are looked for before the binding is made, which could not fail softly.
// 4. A structured binding then gives each member's declared type. (Boost.PFR gives values only: a reference
// looks like
//    what it refers to; and arrays, bases, unions and bit-fields are errors in the middle of it.)

#include <cstddef>
#include <type_traits>
#include <utility>

namespace quiesce::detail {

template <class... Ts>
struct types {};

inline constexpr std::size_t max_members = 32;
inline constexpr std::size_t max_initialisers = 64;

/// Converts to any object (guaranteed elision: it need not be movable) and, only where that is not possible, to
/// an lvalue reference. Both are const and the argument is not, so that a constructor that takes anything comes
/// first instead of making the conversion ambiguous.
struct Anything {
  template <class T>
  operator T() const&&;
  template <class T>
  operator T&() const&;
};
template <std::size_t>
using anything_at = Anything;

template <class T>
struct BaseOf {
  template <class U>
  requires(std::is_class_v<U> && !std::is_same_v<U, T> && std::is_base_of_v<U, T>) operator U() const;
};
struct AnyUnion {
  template <class U>
  requires(std::is_union_v<U>) operator U() const;
};
/// Converts to nothing: taken only by a member whose constructor takes whatever comes.
struct Nothing {};

template <std::size_t... I>
using index_list = std::index_sequence<I...>;
template <std::size_t N>
using indices = std::make_index_sequence<N>;

template <class T, std::size_t... I>
constexpr bool takes_n(index_list<I...>) {
  return requires { T{anything_at<I>{}...}; };
}
/// One `{}`, or one braced value, or a probe after the first of N: with rest initialisers behind it.
template <class T, std::size_t... I, std::size_t... R>
constexpr bool takes_empty_braces(index_list<I...>, index_list<R...>) {
  return requires { T{anything_at<I>{}..., {}, anything_at<R>{}...}; };
}
template <class T, std::size_t... I, std::size_t... B, std::size_t... R>
constexpr bool takes_braced(index_list<I...>, index_list<B...>, index_list<R...>) {
  return requires { T{anything_at<I>{}..., {anything_at<B>{}...}, anything_at<R>{}...}; };
}
template <class T, class Probe, std::size_t... I, std::size_t... R>
constexpr bool takes_probe(index_list<I...>, index_list<R...>) {
  return requires { T{anything_at<I>{}..., Probe{}, anything_at<R>{}...}; };
}

inline constexpr std::size_t not_countable = static_cast<std::size_t>(-1);

/// The largest n, from N upwards, with T{x1, …, xn}; not_countable when there is none or it is too large.
template <class T, std::size_t N = 0, bool Found = false>
consteval std::size_t initialisers() {
  constexpr bool taken = takes_n<T>(indices<N>{});
  if constexpr (!taken && Found) {
    return N - 1;
  } else if constexpr (N == max_initialisers) {
    return not_countable;
  } else {
    return initialisers<T, N + 1, taken>();
  }
}

/// How many of the N initialisers the member that begins at I takes: 1, or the elements of a C array.
/// (`{anything}` is asked only where `{}` is refused: clang would instantiate a vector's copies for it.)
template <class T, std::size_t N, std::size_t I, std::size_t K = 1>
consteval std::size_t initialisers_at() {
  if constexpr (takes_empty_braces<T>(indices<I>{}, indices<N - I - 1>{}) || I + K > N) {
    return 1;
  } else if constexpr (!takes_braced<T>(indices<I>{}, indices<K>{}, indices<N - I - K>{})) {
    return initialisers_at<T, N, I, K + 1>();
  } else if constexpr (takes_braced<T>(indices<I>{}, indices<K>{},
                                       indices<(K > 1 ? N - I - K + 1 : N - I - K)>{})) {
    return 1;
  } else {
    return K;
  }
}

template <class T, std::size_t N, std::size_t I = 0>
consteval std::size_t members_from() {
  if constexpr (I == N) {
    return 0;
  } else {
    return 1 + members_from<T, N, I + initialisers_at<T, N, I>()>();
  }
}

template <class T, std::size_t N, std::size_t I>
consteval bool is_union_at() {
  return takes_probe<T, AnyUnion>(indices<I>{}, indices<N - I - 1>{}) &&
         !takes_probe<T, Nothing>(indices<I>{}, indices<N - I - 1>{});
}
template <class T, std::size_t N, std::size_t... I>
consteval bool has_union(index_list<I...>) {
  return (is_union_at<T, N, I>() || ...);
}

/// The number of members of the aggregate T when they can all be named in a structured binding, else
/// not_countable.
template <class T>
consteval std::size_t count_members() {
  constexpr std::size_t n = initialisers<T>();
  if constexpr (n == not_countable || n == 0) {
    return n == 0 && std::is_empty_v<T> ? 0 : not_countable;
  } else if constexpr (takes_empty_braces<T>(indices<n>{}, indices<0>{}) ||
                       takes_braced<T>(indices<n>{}, indices<1>{}, indices<0>{})) {
    return not_countable;  // One member more, which refuses to be initialised by anything.
  } else if constexpr (takes_probe<T, BaseOf<T>>(indices<0>{}, indices<n - 1>{}) ||
                       has_union<T, n>(indices<n>{})) {
    return not_countable;
  } else {
    constexpr std::size_t members = members_from<T, n>();
    return members <= max_members ? members : not_countable;
  }
}

template <class T>
inline constexpr std::size_t member_count = count_members<T>();

/// Unevaluated: decltype of its result lists the members' declared types.
template <class T>
auto list_members([[maybe_unused]] T& t) {
  constexpr std::size_t n = member_count<T>;
  if constexpr (n == 0) {
    return types<>{};
  } else if constexpr (n == 1) {
    auto& [m1] = t;
    return types<decltype(m1)>{};
  } else if constexpr (n == 2) {
    auto& [m1, m2] = t;
    return types<decltype(m1), decltype(m2)>{};
  } else if constexpr (n == 3) {
    auto& [m1, m2, m3] = t;
    return types<decltype(m1), decltype(m2), decltype(m3)>{};
  } else if constexpr (n == 4) {
    auto& [m1, m2, m3, m4] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4)>{};
  } else if constexpr (n == 5) {
    auto& [m1, m2, m3, m4, m5] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5)>{};
  } else if constexpr (n == 6) {
    auto& [m1, m2, m3, m4, m5, m6] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6)>{};
  } else if constexpr (n == 7) {
    auto& [m1, m2, m3, m4, m5, m6, m7] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7)>{};
  } else if constexpr (n == 8) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8)>{};
  } else if constexpr (n == 9) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9)>{};
  } else if constexpr (n == 10) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10)>{};
  } else if constexpr (n == 11) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11)>{};
  } else if constexpr (n == 12) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12)>{};
  } else if constexpr (n == 13) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13)>{};
  } else if constexpr (n == 14) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14)>{};
  } else if constexpr (n == 15) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15)>{};
  } else if constexpr (n == 16) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16)>{};
  } else if constexpr (n == 17) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17)>{};
  } else if constexpr (n == 18) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18)>{};
  } else if constexpr (n == 19) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19)>{};
  } else if constexpr (n == 20) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20)>{};
  } else if constexpr (n == 21) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21)>{};
  } else if constexpr (n == 22) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21,
           m22] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22)>{};
  } else if constexpr (n == 23) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23)>{};
  } else if constexpr (n == 24) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24)>{};
  } else if constexpr (n == 25) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24, m25] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                 decltype(m25)>{};
  } else if constexpr (n == 26) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24, m25, m26] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                 decltype(m25), decltype(m26)>{};
  } else if constexpr (n == 27) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24, m25, m26, m27] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                 decltype(m25), decltype(m26), decltype(m27)>{};
  } else if constexpr (n == 28) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24, m25, m26, m27, m28] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                 decltype(m25), decltype(m26), decltype(m27), decltype(m28)>{};
  } else if constexpr (n == 29) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24, m25, m26, m27, m28, m29] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                 decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29)>{};
  } else if constexpr (n == 30) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24, m25, m26, m27, m28, m29, m30] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                 decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30)>{};
  } else if constexpr (n == 31) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24, m25, m26, m27, m28, m29, m30, m31] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                 decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30),
                 decltype(m31)>{};
  } else if constexpr (n == 32) {
    auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
           m23, m24, m25, m26, m27, m28, m29, m30, m31, m32] = t;
    return types<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6),
                 decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12),
                 decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18),
                 decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                 decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30),
                 decltype(m31), decltype(m32)>{};
  }
}

template <class T>
using members_of = decltype(list_members(std::declval<T&>()));

}  // namespace quiesce::detail

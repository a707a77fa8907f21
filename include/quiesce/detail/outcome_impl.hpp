// Outcome's definitions. Included by outcome.hpp only.
#pragma once

namespace quiesce {

template <class T, class E>
template <class U, class G>
requires(!std::is_same_v<T, std::expected<U, G>> && detail::ValueConverts<U, T> &&
         std::is_constructible_v<E, G>) Outcome<T, E>::Outcome(std::expected<U, G> expected) {
  if (!expected) {
    detail::revive(error_, std::move(expected).error());
    kind_ = OutcomeKind::Err;
    return;
  }
  if constexpr (std::is_void_v<T>) {
    detail::revive(value_);
  } else {
    detail::revive(value_, *std::move(expected));
  }
  kind_ = OutcomeKind::Ok;
}

template <class T, class E>
Outcome<T, E>& Outcome<T, E>::operator=(Outcome&& other) noexcept(nothrow_move) {
  Outcome incoming(std::move(other));  // first: `other` may live inside what is about to be destroyed
  destroy();
  if constexpr (nothrow_move) {
    construct(std::move(incoming));
  } else {
    try {
      construct(std::move(incoming));
    } catch (...) {
      detail::revive(panic_);
      kind_ = OutcomeKind::Panicked;
      throw;
    }
  }
  return *this;
}

template <class T, class E>
template <class Other>
void Outcome<T, E>::construct(Other&& other) {
  if (other.is_ok()) [[likely]] {
    if constexpr (std::is_void_v<T>) {
      detail::revive(value_);
    } else {
      detail::revive(value_, std::forward<Other>(other).value_);
    }
    kind_ = OutcomeKind::Ok;
    attached_ = std::forward<Other>(other).attached_;
  } else {
    construct_failure(std::forward<Other>(other));
  }
}

template <class T, class E>
template <class Other>
void Outcome<T, E>::construct_failure(Other&& other) {
  if (other.kind_ == OutcomeKind::Err) {
    detail::revive(error_, std::forward<Other>(other).error_);
  } else if (other.kind_ == OutcomeKind::Cancelled) {
    detail::revive(reason_, std::forward<Other>(other).reason_);
  } else {
    detail::revive(panic_, std::forward<Other>(other).panic_);
  }
  kind_ = other.kind_;
  attached_ = std::forward<Other>(other).attached_;
}

template <class T, class E>
void Outcome<T, E>::destroy() noexcept {
  switch (kind_) {
    case OutcomeKind::Ok: value_.~Stored(); break;
    case OutcomeKind::Err: error_.~E(); break;
    case OutcomeKind::Cancelled: reason_.~CancelReason(); break;
    case OutcomeKind::Panicked: panic_.~PanicPayload(); break;
  }
}

template <class T, class E>
bool Outcome<T, E>::is_equal(const Outcome& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case OutcomeKind::Ok: return value_ == other.value_;
    case OutcomeKind::Err: return error_ == other.error_;
    case OutcomeKind::Cancelled: return reason_ == other.reason_;
    case OutcomeKind::Panicked: break;
  }
  return panic_ == other.panic_;
}

template <class T, class E>
std::string Outcome<T, E>::describe() const {
  switch (kind_) {
    case OutcomeKind::Ok: return {};
    case OutcomeKind::Err: return detail::describe_error(error_);
    case OutcomeKind::Cancelled: return to_string(reason_);
    case OutcomeKind::Panicked: break;
  }
  return to_string(panic_);
}

template <class T, class E>
AttachedFailure Outcome<T, E>::erased() const {
  return AttachedFailure(kind_, describe(), is_panicked() ? panic_.exception() : std::exception_ptr());
}

template <class T, class E>
template <class Self>
decltype(auto) Outcome<T, E>::value_of(Self&& self) {
  self.template expect<OutcomeKind::Ok>("value()");
  if constexpr (!std::is_void_v<T>) return (std::forward<Self>(self).value_);
}

template <class T, class E>
template <class Self, class F>
auto Outcome<T, E>::map_value(Self&& self, F&& f) {
  auto call = [&]() -> decltype(auto) {
    if constexpr (std::is_void_v<T>) {
      return std::forward<F>(f)();
    } else {
      return std::forward<F>(f)(std::forward<Self>(self).value_);
    }
  };
  using U = decltype(call());
  static_assert(!std::is_reference_v<U>,
                "quiesce::Outcome::map: the function must return a value, not a reference");
  using Result = Outcome<std::remove_cv_t<U>, E>;
  if (!self.is_ok()) return failure_of<std::remove_cv_t<U>, E>(std::forward<Self>(self));
  if constexpr (std::is_void_v<U>) {
    call();
    Result result = Result::ok();
    result.attached_ = std::forward<Self>(self).attached_;
    return result;
  } else {
    Result result = Result::ok(call());
    result.attached_ = std::forward<Self>(self).attached_;
    return result;
  }
}

template <class T, class E>
template <class Self, class F>
auto Outcome<T, E>::map_failure(Self&& self, F&& f) {
  using G = std::remove_cvref_t<decltype(std::forward<F>(f)(std::forward<Self>(self).error_))>;
  using Result = Outcome<T, G>;
  auto convert = [&]() -> Result {
    switch (self.kind_) {
      case OutcomeKind::Ok:
        if constexpr (std::is_void_v<T>) {
          return Result::ok();
        } else {
          return Result::ok(std::forward<Self>(self).value_);
        }
      case OutcomeKind::Err: return Result::err(std::forward<F>(f)(std::forward<Self>(self).error_));
      case OutcomeKind::Cancelled: return Result::cancelled(std::forward<Self>(self).reason_);
      case OutcomeKind::Panicked: break;
    }
    return Result::panicked(std::forward<Self>(self).panic_);
  };
  Result result = convert();
  result.attached_ = std::forward<Self>(self).attached_;
  return result;
}

template <class T, class E>
template <class Self, class F>
auto Outcome<T, E>::chain(Self&& self, F&& f) {
  auto call = [&] {
    if constexpr (std::is_void_v<T>) {
      return std::forward<F>(f)();
    } else {
      return std::forward<F>(f)(std::forward<Self>(self).value_);
    }
  };
  using Result = decltype(call());
  static_assert(detail::is_outcome<Result>, "quiesce::Outcome::and_then: the function must return an Outcome");
  if (!self.is_ok()) {
    return failure_of<typename Result::value_type, typename Result::error_type>(std::forward<Self>(self));
  }
  Result result = call();
  detail::attach_all(result.attached_, self.attached_);
  return result;
}

template <class T, class E>
template <class U, class G, class Self>
Outcome<U, G> Outcome<T, E>::failure_of(Self&& self) {
  using Result = Outcome<U, G>;
  QUIESCE_ASSERT(!self.is_ok(), "Outcome::failure_as on Ok: only a failure has a meaning in other types");
  auto convert = [&]() -> Result {
    if (self.is_err()) return Result::err(G(std::forward<Self>(self).error_));
    if (self.is_cancelled()) return Result::cancelled(std::forward<Self>(self).reason_);
    return Result::panicked(std::forward<Self>(self).panic_);
  };
  Result result = convert();
  result.attached_ = std::forward<Self>(self).attached_;
  return result;
}

template <class T, class E>
template <class Self, class... Fs>
auto Outcome<T, E>::visit_as(Self&& self, Fs&... fs) {
  auto run = [&](auto& ok, auto& err, auto& cancelled, auto& panicked) {
    auto call_ok = [&]() -> decltype(auto) {
      if constexpr (std::is_void_v<T>) {
        return ok();
      } else {
        return ok(std::forward<Self>(self).value_);
      }
    };
    using Result = std::common_type_t<decltype(call_ok()), decltype(err(std::forward<Self>(self).error_)),
                                      decltype(cancelled(std::forward<Self>(self).reason_)),
                                      decltype(panicked(std::forward<Self>(self).panic_))>;
    auto choose = [&]() -> Result {
      switch (self.kind_) {
        case OutcomeKind::Ok: return call_ok();
        case OutcomeKind::Err: return err(std::forward<Self>(self).error_);
        case OutcomeKind::Cancelled: return cancelled(std::forward<Self>(self).reason_);
        case OutcomeKind::Panicked: break;
      }
      return panicked(std::forward<Self>(self).panic_);
    };
    return choose();
  };
  return run(fs...);
}

template <class T, class E>
template <class U, class G>
requires std::is_constructible_v<E, G> Outcome<T, E> Outcome<T, E>::join(Outcome<U, G> other) && {
  if (other.kind_ <= kind_) {
    attach(other);
    return std::move(*this);
  }
  Outcome worse = std::move(other).template failure_as<T, E>();
  detail::AttachedList recorded;  // in the order of recording: this outcome's failures come first
  if (!is_ok()) detail::attach_to(recorded, erased());
  detail::attach_all(recorded, attached_);
  detail::attach_all(recorded, worse.attached_);
  worse.attached_ = std::move(recorded);
  return worse;
}

template <class T, class E>
template <class U, class G>
void Outcome<T, E>::attach(const Outcome<U, G>& other) {
  const detail::AttachedList theirs = other.attached_;  // a share of its own, for `other` may be *this
  if (!other.is_ok()) detail::attach_to(attached_, other.erased());
  detail::attach_all(attached_, theirs);
}

// "Ok(42)", "Ok", "Err(…)", "Cancelled(…)", "Panicked(…)"; a value without an operator<< is "Ok(?)". A template
// over the stream's traits, so that <ostream> need not be known here.
template <class Traits, class T, class E>
std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& os,
                                             const Outcome<T, E>& outcome) {
  os << to_string(outcome.kind());
  if (outcome.is_ok()) {
    if constexpr (requires(const T& value) { os << value; }) {
      os << '(' << outcome.value() << ')';
    } else if constexpr (!std::is_void_v<T>) {
      os << "(?)";
    }
  } else if (outcome.is_err()) {
    if constexpr (requires(const E& error) { os << error; }) {
      os << '(' << outcome.error() << ')';
    } else {
      os << '(' << detail::describe_error(outcome.error()) << ')';
    }
  } else if (outcome.is_cancelled()) {
    os << '(' << to_string(outcome.cancel_reason()) << ')';
  } else {
    os << '(' << to_string(outcome.panic()) << ')';
  }
  return os << detail::attached_text(outcome.attached());
}

}  // namespace quiesce

#pragma once
// Channels of all sorts in one run: producers, permits that are kept and dropped, consumers that stop early, selects, closes, relays from
// one channel to another, questions with an answer; under cancels wherever the lab puts them.
//
//   lab::explore({.seed = seed, .max_runs = n, .chaos = {.cancel = {.one_in = 30}}}, mixed_workload);
//
// What a task does next is drawn from its context: another seed of the exploration is another workload, another run another schedule.
// At the end of each run every parcel is accounted for: one that was committed – its send has returned, or its permit was used – has been
// received once or was destroyed once in its channel, and no other was received.
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "quiesce/channel/mpmc.hpp"
#include "quiesce/channel/mpsc.hpp"
#include "quiesce/channel/oneshot.hpp"
#include "quiesce/channel/rendezvous.hpp"
#include "quiesce/lab.hpp"
#include "quiesce/select.hpp"

namespace quiesce::lab_tests {

/// What has become of each parcel, and which channels may destroy theirs.
struct Books {
  struct Fate {
    std::size_t channel;
    std::uint32_t committed = 0, received = 0, destroyed = 0;
    bool lost = false;  // destroyed unreceived while somebody could have received it
  };
  std::vector<Fate> parcels = {};
  std::vector<int> receivers = {};  // of each channel: ends that there are

  void destroyed(std::size_t number) {
    Fate& fate = parcels[number];
    ++fate.destroyed;
    fate.lost = fate.received == 0 && receivers[fate.channel] > 0;
  }
  void balance() const {
    std::uint32_t received = 0;
    for (const Fate& fate : parcels) {
      lab::check(fate.destroyed == 1, "a parcel is destroyed once");
      lab::check(fate.committed <= 1, "a parcel is committed once");
      lab::check(fate.received <= fate.committed, "what was not committed is not received");
      lab::check(fate.committed == 0 || !fate.lost,
                 "what was committed is received, unless the last receiver goes");
      received += fate.received;
    }
    lab::sometimes(received >= 4, "parcels arrive");
  }
};

/// Move-only, and knows its number in the books to the end.
class Parcel {
 public:
  Parcel(Books& books, std::size_t channel) : books_(&books), number_(books.parcels.size()) {
    books.parcels.push_back({channel});
  }
  Parcel(Parcel&& other) noexcept : books_(std::exchange(other.books_, nullptr)), number_(other.number_) {}
  Parcel& operator=(Parcel&&) = delete;
  ~Parcel() {
    if (books_ != nullptr) books_->destroyed(number_);
  }
  std::size_t number() const { return number_; }

 private:
  Books* books_;
  std::size_t number_;
};

/// The tasks' side of the books: whose parcels are for one channel.
struct Post {
  Books* books;
  std::size_t channel;
  static Post open(Books& books) {
    books.receivers.push_back(0);
    return {&books, books.receivers.size() - 1};
  }
  Parcel make() const { return Parcel(*books, channel); }
  void committed(std::size_t number) const { ++books->parcels[number].committed; }
  void received(const Parcel& parcel) const { ++books->parcels[parcel.number()].received; }
};

/// A receiver that the books know of.
template <class Rx>
class Inbox {
 public:
  Inbox(Post post, Rx rx) : post_(post), rx_(std::move(rx)) { ++count(); }
  Inbox(const Inbox& other) requires std::copyable<Rx> : Inbox(other.post_, other.rx_) {}
  Inbox(Inbox&& other) noexcept
      : post_{std::exchange(other.post_.books, nullptr), other.post_.channel}, rx_(std::move(other.rx_)) {}
  Inbox& operator=(Inbox&&) = delete;
  ~Inbox() {
    if (post_.books != nullptr) --count();
  }
  const Rx& operator*() const { return rx_; }
  const Rx* operator->() const { return &rx_; }

 private:
  int& count() { return post_.books->receivers[post_.channel]; }
  Post post_;
  Rx rx_;
};

// ---- what tasks do; each once ----

template <class Tx>
Task<> send_in_two_phases(Cx cx, Post post, const Tx& tx) {
  auto permit = co_await tx.reserve(cx);
  if (cx.random_index(2) == 0) co_await cx.yield();
  if (cx.random_index(4) == 0) co_return;  // the permit is dropped
  Parcel parcel = post.make();
  const std::size_t number = parcel.number();
  if (permit.send(std::move(parcel))) post.committed(number);
}

template <class Tx>
Task<> send_by_select(Cx cx, Post post, const Tx& tx) {
  Parcel parcel = post.make();
  const std::size_t number = parcel.number();
  auto first = co_await select(cx, tx.send(std::move(parcel)), tx.reserve(), tx.closed(),
                               cx.sleep(std::chrono::milliseconds(1)));
  if (first.index() == 0) post.committed(number);
  if (auto* permit = std::get_if<1>(&first)) {
    Parcel another = post.make();
    const std::size_t late = another.number();
    if (permit->send(std::move(another))) post.committed(late);
  }
}

template <class Tx>
Task<> send_somehow(Cx cx, Post post, const Tx& tx) {
  const std::uint64_t how = cx.random_index(5);
  if (how == 0) {
    auto task = send_in_two_phases(cx, post, tx);
    co_await std::move(task);
  } else if (how == 1) {
    auto task = send_by_select(cx, post, tx);
    co_await std::move(task);
  } else {
    Parcel parcel = post.make();
    const std::size_t number = parcel.number();
    if (how == 2) {
      if (tx.try_send(std::move(parcel))) post.committed(number);
      co_await cx.yield();
    } else {
      co_await tx.send(cx, std::move(parcel));
      post.committed(number);
    }
  }
}

template <class Rx>
Task<bool> receive_somehow(Cx cx, Post post, const Rx& rx) {
  const std::uint64_t how = cx.random_index(5);
  std::optional<Parcel> parcel;
  if (how == 0) {
    auto tried = rx.try_recv();
    if (tried) post.received(*tried);
    co_await cx.yield();
    co_return tried || tried.error() == TryRecvError::empty;
  }
  if (how == 1) {
    auto first = co_await select(cx, rx.recv(), cx.sleep(std::chrono::milliseconds(1)));
    auto* got = std::get_if<0>(&first);
    if (got == nullptr) co_return true;
    if (*got) post.received(**got);
    co_return got->has_value();
  }
  auto got = co_await rx.recv(cx);
  if (got) post.received(*got);
  co_return got.has_value();
}

// ---- tasks ----

template <class Tx>
Task<> producer(Cx cx, Post post, Tx tx, int count) {
  for (int i = 0; i < count; ++i) {
    auto task = send_somehow(cx, post, tx);
    co_await std::move(task);
  }
}

/// Ends when there is nothing more, or stops early: by going, or by closing and taking the rest.
template <class Rx>
Task<> consumer(Cx cx, Post post, Inbox<Rx> rx, int patience) {
  bool more = true;
  for (int i = 0; more && i < patience; ++i) {
    auto task = receive_somehow(cx, post, *rx);
    more = co_await std::move(task);
  }
  if (!more || cx.random_index(2) == 0) co_return;
  rx->close();
  while (auto parcel = co_await rx->recv(cx)) post.received(*parcel);
}

/// A place to send to first, and only then a parcel: none is taken that cannot be passed on.
template <class Rx, class Tx>
Task<> relay(Cx cx, Post post, Inbox<Rx> rx, Tx tx) {
  for (;;) {
    auto permit = co_await tx.reserve(cx);
    auto parcel = co_await rx->recv(cx);
    if (!parcel) break;
    post.received(*parcel);
    Parcel next = post.make();
    const std::size_t number = next.number();
    if (permit.send(std::move(next))) post.committed(number);
  }
}

inline Task<> logger(Cx cx, Post post, mpsc::UnboundedSender<Parcel> log) {
  for (int i = 0; i < 3; ++i) {
    Parcel parcel = post.make();
    const std::size_t number = parcel.number();
    if (log.send(std::move(parcel))) post.committed(number);
    co_await cx.yield();
  }
}

struct Answer {
  Post post;
  oneshot::Sender<Parcel> tx;
};
struct Question {
  Parcel parcel;
  Answer answer;
  Question(Parcel asked, Answer to) : parcel(std::move(asked)), answer(std::move(to)) {}
};

/// Gets its answer, or learns that none will come: whoever had the question is gone, and the question with it.
inline Task<> asks(Cx cx, Post post, mpsc::Sender<Question> tx) {
  const Post home = Post::open(*post.books);
  auto [to, from] = oneshot::channel<Parcel>("answer");
  const Inbox<oneshot::Receiver<Parcel>> inbox(home, std::move(from));
  Question question(post.make(), Answer{home, std::move(to)});
  const std::size_t number = question.parcel.number();
  co_await tx.send(cx, std::move(question));
  post.committed(number);
  Outcome<Parcel> got = co_await inbox->recv(cx).outcome();
  if (got.is_ok()) post.received(got.value());
}

inline Task<> answers(Cx cx, Post post, Inbox<mpsc::Receiver<Question>> rx, int patience) {
  for (int i = 0; i < patience; ++i) {
    auto question = co_await rx->recv(cx);
    if (!question) break;
    post.received(question->parcel);
    if (cx.random_index(3) == 0) continue;  // no answer
    Parcel parcel = question->answer.post.make();
    const std::size_t number = parcel.number();
    if (question->answer.tx.send(std::move(parcel))) post.committed(number);
  }
}

/// All of them in one region. Spawns may be refused, and tasks be cancelled before they begin: their ends are dropped then.
template <class P>
Task<> mixed_post(Cx cx, Scope<P>& scope, Books& books) {
  const Post a = Post::open(books), b = Post::open(books), c = Post::open(books), d = Post::open(books),
             e = Post::open(books);
  auto [atx, arx] = mpsc::channel<Parcel>(1 + static_cast<std::uint32_t>(cx.random_index(2)), "a");
  auto [btx, brx] = mpmc::channel<Parcel>(2, "b");
  auto [ctx, crx] = rendezvous::channel<Parcel>("c");
  auto [log, lines] = mpsc::unbounded_channel<Parcel>("log");
  auto [asking, asked] = mpsc::channel<Question>(1, "questions");
  using A = mpsc::Receiver<Parcel>;
  using B = mpmc::Receiver<Parcel>;
  using C = rendezvous::Receiver<Parcel>;
  Inbox<A> ain(a, std::move(arx)), din(d, std::move(lines));
  Inbox<B> bin(b, std::move(brx));
  Inbox<C> cin(c, std::move(crx));
  Inbox<mpsc::Receiver<Question>> ein(e, std::move(asked));
  auto some = [&cx](std::uint64_t most) { return 1 + static_cast<int>(cx.random_index(most)); };
  auto start = [&](auto function, Post post, auto... args) {
    (void)scope.launch(cx, unsafe_send(function), unsafe_send(post), UnsafeSend(std::move(args))...);
  };
  start(producer<mpsc::Sender<Parcel>>, a, atx, some(3));
  start(producer<mpsc::Sender<Parcel>>, a, std::move(atx), some(3));
  start(relay<A, mpmc::Sender<Parcel>>, b, std::move(ain), btx);
  start(producer<mpmc::Sender<Parcel>>, b, std::move(btx), some(2));
  start(consumer<B>, b, bin, some(6));
  start(relay<B, rendezvous::Sender<Parcel>>, c, std::move(bin), ctx);
  start(producer<rendezvous::Sender<Parcel>>, c, std::move(ctx), some(2));
  start(consumer<C>, c, cin, some(4));
  start(consumer<C>, c, std::move(cin), some(4));
  start(logger, d, std::move(log));
  start(consumer<A>, d, std::move(din), some(5));
  start(asks, e, asking);
  start(asks, e, std::move(asking));
  start(answers, e, std::move(ein), some(2));
  co_return;
}

inline Task<> mixed_workload(Cx cx, Scope<>&) {
  Books books;
  auto inside = [&books](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    auto all = mixed_post(mine, scope, books);
    co_await std::move(all);
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  books.balance();
}

}  // namespace quiesce::lab_tests

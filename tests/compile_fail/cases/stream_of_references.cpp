// expect: quiesce: Stream<T>: T must be an object type that can be moved; for a reference use a pointer
#include "library.hpp"

#include <quiesce/stream.hpp>

using Refused = q::Stream<int&>;
static_assert(sizeof(Refused) > 0);

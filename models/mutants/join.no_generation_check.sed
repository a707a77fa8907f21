# The completer takes whatever waiter the record holds for the joiner of its own life.
s/if :: generation != life -> value = 0 :: else -> skip fi /skip /

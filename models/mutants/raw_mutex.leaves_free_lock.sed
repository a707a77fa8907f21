# A waiter that finds the lock free after all does not hand it over.
s/if :: !seen_held -> hand_over() :: else -> skip fi/skip/

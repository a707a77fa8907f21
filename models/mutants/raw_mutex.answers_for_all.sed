# A called task that has the lock forgets those behind it.
s/waiters = nempty(list); has = true/waiters = false; has = true/

# A lock in passing is not counted.
s/:: seen_waiters -> passed++/:: seen_waiters -> skip/

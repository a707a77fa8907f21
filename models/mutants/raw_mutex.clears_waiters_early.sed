# The hand-over clears `waiters` before it has claimed: the next holder may free the lock under it.
s/atomic { held = true; waiters = true; holder = next };/atomic { held = true; waiters = false; holder = next };/

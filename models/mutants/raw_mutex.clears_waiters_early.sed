# The hand-over clears `waiters` before it has claimed: the next holder may free the lock under it.
s/^  atomic { held = true; waiters = true; called = false; holder = next; VALID };/  atomic { held = true; waiters = false; called = false; holder = next; VALID };/

# The last to leave the list clears `waiters` while one is called.
s/if :: !called -> waiters = false :: called -> skip fi/waiters = false/

# Unlocking frees the word without looking for waiters.
s/:: !seen_waiters \&\& !waiters -> held = false;/:: true -> held = false;/

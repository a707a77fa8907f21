# Unlocking frees the word without looking for waiters.
s/:: !seen_waiters || (seen_called \&\& passed < PASSES) ->/:: true ->/

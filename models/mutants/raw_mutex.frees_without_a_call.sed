# An unlock frees the lock for one whose wait it could not claim.
/^inline call_front/,/^}/s/  :: else -> skip/  :: else -> atomic { held = false; waiters = true; called = true; holder = 0 }; won = true/

# A called task that goes leaves the lock free, and nobody else is called.
/^inline decline/,/^}/s/held = true; called = false; holder = 0; out--; mine = true; VALID/called = false; out--; mine = false/

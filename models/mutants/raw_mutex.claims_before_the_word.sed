# The word names the new holder only after its wait was claimed: it may have gone on and read another name.
/^     atomic { held = true; waiters = true; holder = next };$/d
s/^     :: won -> if :: empty/     :: won -> atomic { held = true; waiters = true; holder = next }; if :: empty/

# A hand-over names the new holder only after its wait was claimed: it may have gone on and read another name.
/^  atomic { held = true; waiters = true; called = false; holder = next; VALID };$/d
s/^  :: won -> if :: empty/  :: won -> atomic { held = true; waiters = true; holder = next }; if :: empty/

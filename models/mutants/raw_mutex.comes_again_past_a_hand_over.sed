# A task that was called in vain does not see that it has been handed the lock meanwhile.
/^inline come_again/,/^}/{
s/:: held \&\& holder != me -> called = false; mine = false; VALID/:: held -> called = false; mine = false; VALID/
s/:: else -> held = true; called = false; holder = 0; mine = true; VALID/:: !held -> held = true; called = false; holder = 0; mine = true; VALID/
}

# A task that was called in vain says so in the list only: no unlock calls it once more.
/^inline come_again/,/^}/s/:: held \&\& holder != me -> called = false; mine = false; VALID/:: held \&\& holder != me -> mine = false; VALID/

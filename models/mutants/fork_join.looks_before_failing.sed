# A failure looks at the extra first, and sets `failed` afterwards: a fork that is linked in between hears of neither.
s/atomic { first = !failed; failed = true };/mine_there = extra_there;/
s/:: first && extra_there -> d_step/:: atomic { !failed \&\& mine_there -> failed = true; first = true }; d_step/
s/^  :: else -> skip$/  :: else -> atomic { first = !failed; failed = true }/
s/bool a, b, told, first;/bool a, b, told, first, mine_there;/
s/bool a, b, first, mine, worst/bool a, b, first, mine_there, mine, worst/

# A refused spawner takes its count back without advancing the life whose last count it thereby dropped.
s/:: !admitted && taken > 0 -> sub(taken)$/:: !admitted \&\& taken > 0 -> live = live - taken/

# A refused spawner takes its count back without advancing the life whose last count it thereby dropped.
s/:: else -> sub_one()$/:: else -> live--/

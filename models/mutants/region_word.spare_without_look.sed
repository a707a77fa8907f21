# A spare is taken without a look at the word: of a closing region, or of the next life.
s/atomic { admitted = (state == OPEN && gen == mine); \(.*a look\)/atomic { admitted = true; \1/

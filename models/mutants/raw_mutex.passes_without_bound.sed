# Unlocking lets others pass whoever is called for ever.
s/seen_called \&\& passed < PASSES/seen_called/

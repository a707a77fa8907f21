# An ending task leaves a spare without a look whether the body is live, for which nobody may come any more.
s/spared = body_live && spare/spared = spare/

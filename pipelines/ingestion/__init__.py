"""From the files of a source to the rows of a collection: sync, plan, parse, split, embed, validate, commit."""

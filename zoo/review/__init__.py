"""A page on which a person accepts, rejects or redraws the masks of a teacher."""

"""A new cluster before there is one: what is proposed, what is asked, and the inventory that is written."""

"""Many nodes side by side: plans are carried out, answers gathered; a failed node is a result beside the others."""

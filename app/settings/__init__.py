"""What did the operator say? The environment, `.env` and the policy file, checked."""

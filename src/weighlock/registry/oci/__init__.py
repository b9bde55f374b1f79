"""The issuer of tokens for a registry of containers: who may pull and push what, and the one way into a stage."""

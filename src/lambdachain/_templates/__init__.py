"""SAM, CloudFormation and serverless.yml templates: read, never run; needs PyYAML only."""

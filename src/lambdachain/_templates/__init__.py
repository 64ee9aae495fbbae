"""SAM and CloudFormation templates and ``serverless.yml``: read, never run; needs PyYAML only.

A template becomes a deployment in one direction. Each stage is a function from one value to the next::

    text             document.parse_yaml            Document, with the line of each key
    serverless.yml   variables.replace_variables    Document, without ${...}, with the variables of dotenv
                     serverless.to_sam_template     Document, as a SAM template
    Document         loops.expand_loops             Document, without Fn::ForEach
                     sam_globals.merge_globals      Document, with SAM's Globals in each function
                     sam_resources                  Document, with the roles and destinations that SAM generates
    Document         template.parse_template        Template, whose values intrinsics.IntrinsicResolver resolves
    Template         nested_stacks.read_stack_tree  StackTree: with the templates of its nested stacks
    Template         functions.read_functions       FunctionDefinition: code, handler, environment, limits
                     invocation_config              InvocationConfig: versions, aliases, events
                     policies.PolicyReader          Grant
    all of these     deployment.read_deployment     TemplateDeployment, for policy and graph; serve: local._definitions
"""

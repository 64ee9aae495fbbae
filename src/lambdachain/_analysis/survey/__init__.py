"""Read contracts, handlers and calls from source code: nothing is imported, nothing is run.

The path of a file, bottom up::

    sources, imports          the text of files; which file an import means
    operator_calls,           what operator.methodcaller, globals() and the like stand for
    namespaces
    compact_nodes             syntax trees in a third of the memory
    scope_builder, scopes     syntax trees to scopes: who binds which name
    project                   all files, indexed by name
    values                    the possible values of an expression, Unresolved among them
    evaluation                an expression to its possible values; one module for each kind of expression:
                              parameters, attributes, classes, known_functions, contract_values, client_values,
                              name_resolution, environment, boto3_calls, dynamic_imports,
                              installed_constants, decorations
    assignments, overwriting  what a name certainly is after the statements before
    branches                  names that belong together
    model_fields,             types to JSON Schemas
    source_schema
    call_sites, reachability  calls; which code may run when other code runs
    name_patterns, name_flow, which code can reach a call: no other is evaluated
    relevance
    call_paths                from where code starts to the calls, with the arguments that are passed on the way
    effort, open_calls        what each question may take; what is told of calls to which too many ways lead
    survey, results           all of it, as plain values with file and line
    answer_files, saved       what was found is kept, until the code or a package that it imports changes

What the text does not determine is reported as unresolved, with a reason, and never guessed or left out.
"""

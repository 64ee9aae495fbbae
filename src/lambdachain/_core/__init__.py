"""Values and mechanisms that everything else stands on: errors, addresses, invocations, results, clocks."""

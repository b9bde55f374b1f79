# A model file may pass when every piece of evidence that this policy requires is there.
#
# Nothing is allowed because nothing speaks against it: `passed` names what was shown, and what is required and was not
# shown is the reason of the denial.
package weighlock

import rego.v1

default decision := {"allow": false, "reasons": ["nothing about it was shown"], "required": [], "passed": []}

decision := {"allow": count(missing) == 0, "reasons": reasons, "required": required, "passed": passed} if {
	input.artifact.kind == "model"
}

required := {"digest", "lock-entry", "inspected", "format", "no-findings"}

missing := required - passed

reasons contains sprintf("%s was not shown for %s", [what, input.artifact.name]) if {
	some what in missing
}

passed contains "digest" if {
	startswith(input.artifact.digest, "sha256:")
}

passed contains "lock-entry" if {
	some evidence in input.evidence
	evidence.kind == "lock-entry"
}

# Only these outcomes mean that somebody looked and found data alone.
passed contains "inspected" if {
	input.artifact.outcome in {"data-only", "not-a-model"}
}

passed contains "format" if {
	input.artifact.format in {"safetensors", "gguf", "npy"}
}

# Cards, configurations and vocabularies are locked as well. No loader takes them, and they hold no code.
passed contains "format" if {
	input.artifact.outcome == "not-a-model"
	some ending in {".json", ".md", ".txt", ".model", ".gitattributes", "/LICENSE", ":LICENSE"}
	endswith(input.artifact.name, ending)
}

# `every` holds for an empty list, so that "inspected" has to be required beside it.
passed contains "no-findings" if {
	is_array(input.findings)
	every finding in input.findings {
		finding.severity in {"info", "low"}
	}
}

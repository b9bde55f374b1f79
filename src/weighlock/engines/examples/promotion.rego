# A model may move to a stage when all evidence that this policy requires for that stage was verified.
#
# The built-in gate has verified what is listed already. Rules of one's own come on top: here, production takes an
# audit and a bill of materials whatever the stage requires, and two people in all, of whom one approved.
package weighlock

import rego.v1

default decision := {"allow": false, "reasons": ["nothing about it was shown"], "required": [], "passed": []}

decision := {"allow": count(missing) == 0, "reasons": reasons, "required": required, "passed": passed} if {
	input.artifact.kind == "promotion"
}

# A stage that is not named here takes everything.
default required := {"digest", "files", "lock", "scan", "quarantine", "bom", "audit", "people"}

required := {"digest", "files", "lock", "scan", "quarantine"} if {
	input.artifact.stage == "staging"
}

missing := required - passed

reasons contains sprintf("%s was not shown for %s", [what, input.artifact.name]) if {
	some what in missing
}

passed contains "digest" if {
	startswith(input.artifact.digest, "sha256:")
}

passed contains "files" if {
	count(input.artifact.files) > 0
}

passed contains evidence.kind if {
	some evidence in input.evidence
	evidence.kind in {"lock", "scan", "quarantine", "bom", "audit"}
}

passed contains "people" if {
	count(input.artifact.approvers) > 0
	people := {name | some name in array.concat(input.artifact.signers, input.artifact.approvers)}
	count(people) > 1
}

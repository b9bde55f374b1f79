# The built-in rules for model files, said in Rego. They are not needed: the built-in policy always runs first. They show
# how to read the question, and the tests compare the two, question by question.
package weighlock

import rego.v1

default decision := {"allow": false, "reasons": ["unverifiable: the question is not about a model"]}

decision := {"allow": count(reasons) == 0, "reasons": reasons, "required": required, "passed": passed} if {
	input.artifact.kind == "model"
}

required := {"identity", "content"}

passed contains "identity" if known

passed contains "identity" if input.policy.unlocked == "inspect"

passed contains "content" if approval_unsafe

passed contains "content" if input.artifact.outcome in {"data-only", "not-a-model"}

passed contains "content" if {
	input.artifact.outcome == "needs-approval"
	count(needs) > 0
	count(needs - approved) == 0
}

reasons contains "not-in-lock: its digest is not in the lockfile" if not "identity" in passed

reasons contains sprintf("%s: the content is not shown to be harmless", [input.artifact.outcome]) if {
	not "content" in passed
}

known if {
	some evidence in input.evidence
	evidence.kind == "lock-entry"
}

known if {
	input.policy["trust-saved"] == true
	some evidence in input.evidence
	evidence.kind == "own-save"
}

approval_unsafe if {
	some evidence in input.evidence
	evidence.kind == "approval"
	evidence.unsafe == true
}

needs contains name if some name in input.artifact.needs

approved contains name if {
	some evidence in input.evidence
	evidence.kind == "approval"
	some name in evidence.imports
}

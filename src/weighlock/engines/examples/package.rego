# A package may pass when its digest is known, and everything that was found or published about it is below a threshold.
#
# Severities are compared by a table of those that are fine, so that one that is spelled differently, or that nobody
# knows, is not.
package weighlock

import rego.v1

default decision := {"allow": false, "reasons": ["nothing about it was shown"], "required": [], "passed": []}

decision := {"allow": count(missing) == 0, "reasons": reasons, "required": required, "passed": passed} if {
	input.artifact.kind == "package"
}

required := {"digest", "wheel", "no-advisories", "no-findings"}

missing := required - passed

fine := {"info", "low", "medium"}

reasons contains sprintf("%s was not shown for %s %s", [what, input.artifact.name, input.artifact.version]) if {
	some what in missing
}

passed contains "digest" if {
	startswith(input.artifact.digest, "sha256:")
}

passed contains "wheel" if {
	endswith(input.artifact.filename, ".whl")
}

passed contains "no-advisories" if {
	is_array(input.findings)
	every finding in input.findings {
		advisory_is_fine(finding)
	}
}

passed contains "no-findings" if {
	is_array(input.findings)
	every finding in input.findings {
		finding.outcome in {"not-a-model", "data-only"}
	}
}

advisory_is_fine(finding) if {
	finding.advisory == null
}

advisory_is_fine(finding) if {
	is_array(finding.advisory)
	finding.severity in fine
}

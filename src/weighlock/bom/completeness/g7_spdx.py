"""Where a reader looks for the elements of the G7 in documents of SPDX.

Source:
    The mapping of openregtech/sbom (CC0), ``g7ai-spdx3``; SPDX 2.3; SPDX 3.0.1 with the AI and Dataset profiles. Names
    that begin with ``_`` are relationships, which `weighlock.bom.completeness.documents` puts where they can be read.
"""

from __future__ import annotations

SPDX2_PATHS = {
    "sbom-author": "creationInfo.creators[]",
    "sbom-version": "documentNamespace",
    "sbom-data-format-name": "spdxVersion",
    "sbom-data-format-version": "spdxVersion",
    "sbom-tool-name": "_tools[]",
    "sbom-tool-version": "_tools[]",
    "sbom-generation-context": "creationInfo.comment",
    "sbom-timestamp": "creationInfo.created",
    "sbom-dependency-relationship": "relationships[relationshipType*depend].relatedSpdxElement",
    "system-name": "name",
    "system-components": "packages[].name",
    "system-producer": "supplier originator",
    "system-version": "versionInfo",
    "system-timestamp": "releaseDate builtDate",
    "model-name": "name",
    "model-identifier": "externalRefs[referenceType=purl].referenceLocator downloadLocation",
    "model-version": "versionInfo",
    "model-timestamp": "releaseDate builtDate",
    "model-producer": "supplier originator",
    "model-description": "description summary",
    "model-hash-value": "checksums[].checksumValue packageVerificationCode.packageVerificationCodeValue",
    "model-hash-algorithm": "checksums[].algorithm",
    "model-license": "licenseDeclared licenseConcluded",
    "model-external-references": "externalRefs[].referenceLocator homepage",
    "infrastructure-software": "packages[].name",
    "cybersecurity-policy": "packages[].externalRefs[referenceType=url|advisory].referenceLocator",
    "vulnerability-referencing": "packages[].externalRefs[referenceType=advisory|fix].referenceLocator",
}

_PRODUCER = "_suppliedBy[].name _originatedBy[].name"

SPDX3_PATHS = {
    "sbom-author": "_createdBy[].name",
    "sbom-version": "_document.spdxId",
    "sbom-data-format-name": "@context",
    "sbom-data-format-version": "_creation.specVersion",
    "sbom-author-signature": "_document.verifiedUsing[].hashValue "
    "_document.externalRef[externalRefType=secureSoftwareAttestation].locator[]",
    "sbom-tool-name": "_createdUsing[].name",
    "sbom-tool-version": "_createdUsing[].software_packageVersion _createdUsing[].name",
    "sbom-generation-context": "_sbom.software_sbomType[]",
    "sbom-timestamp": "_creation.created",
    "sbom-dependency-relationship": "_relationships[relationshipType*dependsOn|trainedOn|testedOn|Prerequisite].to[]",
    "system-name": "name",
    "system-components": "_components[].name",
    "system-producer": _PRODUCER,
    "system-version": "software_packageVersion",
    "system-timestamp": "releaseTime builtTime",
    "system-data-flow": "ai_informationAboutApplication",
    "system-data-usage": "ai_useSensitivePersonalInformation",
    "system-input-output-properties": "ai_informationAboutApplication",
    "system-intended-application-area": "ai_domain[]",
    "model-name": "name",
    "model-identifier": "software_packageUrl externalIdentifier[].identifier",
    "model-version": "software_packageVersion",
    "model-timestamp": "builtTime releaseTime",
    "model-producer": _PRODUCER,
    "model-description": "description summary",
    "model-hash-value": "verifiedUsing[].hashValue _contains[].verifiedUsing[].hashValue",
    "model-hash-algorithm": "verifiedUsing[].algorithm _contains[].verifiedUsing[].algorithm",
    "model-properties": "ai_typeOfModel[] ai_autonomyType ai_modelExplainability[] ai_hyperparameter[].value",
    "model-input-output-properties": "ai_informationAboutApplication",
    "model-training-properties": "ai_informationAboutTraining ai_hyperparameter[].value ai_modelDataPreprocessing[]",
    "model-license": "_hasDeclaredLicense[].simplelicensing_licenseExpression "
    "_hasConcludedLicense[].simplelicensing_licenseExpression _hasDeclaredLicense[].name",
    "model-external-references": "externalRef[].locator[] software_downloadLocation software_homePage",
    "dataset-name": "name",
    "dataset-description": "description summary",
    "dataset-content": "dataset_datasetType[]",
    "dataset-identifier": "software_packageUrl externalIdentifier[].identifier software_downloadLocation",
    "dataset-hash": "verifiedUsing[].hashValue _contains[].verifiedUsing[].hashValue",
    "dataset-provenance": "dataset_dataCollectionProcess",
    "dataset-statistical-properties": "dataset_datasetSize dataset_datasetNoise dataset_knownBias[]",
    "dataset-sensitivity": "dataset_hasSensitivePersonalInformation dataset_confidentialityLevel",
    "dataset-dependency-relationship": "_trainedOn[].name _testedOn[].name",
    "dataset-license": "_hasDeclaredLicense[].simplelicensing_licenseExpression "
    "_hasConcludedLicense[].simplelicensing_licenseExpression _hasDeclaredLicense[].name",
    "infrastructure-software": "_packages[].name",
    "infrastructure-hardware": "_hardware[].name",
    "security-controls": "_document.externalRef[externalRefType=securityThreatModel|riskAssessment].locator[]",
    "security-compliance": "_models[].ai_standardCompliance[]",
    "cybersecurity-policy": "_components[].externalRef[externalRefType*securityPolicy|DisclosureReport].locator[]",
    "vulnerability-referencing": "_vulnerabilities[].name",
    "security-metrics": "_models[].ai_safetyRiskAssessment _scores[].security_score _scores[].security_severity",
    "operational-performance-kpis": "ai_metric[].value",
}

// Asks the CycloneDX project's own JavaScript library about documents, and prints what it says of each as JSON.
import {readFileSync} from 'node:fs'
import {createRequire} from 'node:module'

const [modules, ...files] = process.argv.slice(2)
const CDX = createRequire(`${modules}/`)('@cyclonedx/cyclonedx-library')
const answers = {}
for (const file of files) {
  const text = readFileSync(file, 'utf8')
  const version = JSON.parse(text).specVersion
  answers[file] = await new CDX.Validation.JsonStrictValidator(version).validate(text)
}
console.log(JSON.stringify(answers))

"""The audit of a pretrained model: questions in four parts, what answers them, and what it comes to.

Values only. The machine answers from facts that a gate collected (`weighlock.gates.audit`); what a person must answer
stays *not assessed*, with its owner and its question, until a record of answers says otherwise.
"""

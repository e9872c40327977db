"""The store on Amazon DynamoDB through boto3: one table, many processes and machines share it, AWS keeps it.

What lies in the table: layout.py. How it is made and recognised: table.py. Requests, their batches, retries and limits
of time: session.py. Errors of boto3 and of the service become ours in errors.py and nowhere else.
"""

from stat7.stores.dynamodb.settings import Settings
from stat7.stores.dynamodb.store import DynamoDBStore

__all__ = ["DynamoDBStore", "Settings"]

"""Files on object storage: S3 and what speaks its protocol, Azure Blob Storage, Google Cloud Storage.

`ObjectFiles` (stat7.files.objects.store) keeps the contract of FileStore over a few requests, `ObjectStorage`
(stat7.files.objects.storage); one module for each client library gives these. Libraries are imported when one is used.
"""

// The worker: takes one bundle to verify, tells how far it is, and what it found.

async function serve({ key, blobs, folder, older, roots }) {
	const reader = new FileReaderSync();
	const readSlice = (blob, from, to) => {
		try {
			return new Uint8Array(reader.readAsArrayBuffer(blob.slice(from, to)));
		} catch (e) {
			throw new Error('the file cannot be read (' + e.message + '): was it changed or moved meanwhile?');
		}
	};
	let opened;
	try {
		opened = folder ? openFolder(folder, readSlice) : openZip(new Pieces(blobs, readSlice));
	} catch (e) {
		if (!(e instanceof Refused))
			throw e;
		return refusedArchive(e, key, Boolean(folder));
	}
	return verifyBundle(opened, Boolean(folder), key, older, roots, (part) => postMessage({ progress: part }));
}

// What cannot be opened at all fails the first check.
function refusedArchive(e, key, isFolder) {
	const findings = new Findings();
	findings.fail('archive', e.message, e.where);
	const result = { checks: [], logs: [], isFolder, export: null, completeness: null, trusted: key };
	return finish(result, { bundle: {}, findings, checks: [], custody: null, complete: null, nOlder: 0 });
}

onmessage = async ({ data }) => {
	try {
		const began = Date.now(), result = await serve(data);
		postMessage({ result: { ...result, milliseconds: Date.now() - began } });
	} catch (e) {
		postMessage({ error: e.message });
	}
};

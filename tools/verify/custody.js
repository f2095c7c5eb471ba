// Receipts (docs/formats.md section 5), and the custody of a bundle: check `custody`.

const EARLIER_MOST = 1000;

function notesOf(list, most) {
	if (list === undefined)
		return [];
	if (!Array.isArray(list) || list.length > most || list.some((n) => typeof n !== 'string'))
		refuse('its notes are not a list of texts, or too many');
	return list.map(utf8);
}

// Whether a receipt (a Map) holds under the trusted key: {entry, payload, epoch…}. Refuses it else.
async function receiptHolds(receipt, trusted) {
	const text = (name) => typeof receipt.get(name) === 'string' ? receipt.get(name) :
		refuse('it has no ' + name + ', or one that is none');
	const e = readEntry(utf8(text('entry'))), agrees = { log: e.origin.slice(e.origin.indexOf('/') + 1), origin: e.origin,
		index: e.index, time: e.time };
	for (const [name, v] of Object.entries(agrees))
		if (receipt.has(name) && receipt.get(name) !== v)
			refuse('its ' + name + ' is not that of its entry');
	const identities = await identitiesOf(trusted, notesOf(receipt.get('identities'), SUCCESSIONS_MOST));
	const c = await checkpointHolds(utf8(text('checkpoint')), identities, notesOf(receipt.get('keys'), STATEMENTS_MOST));
	if (c.origin !== e.origin)
		refuse('its checkpoint is of another log');
	if (c.replaced && e.index < c.stated && e.time > c.replaced)
		refuse('the identity that states its log\'s key was replaced before the entry was written');
	const list = receipt.get('proof'), proof = Array.isArray(list) ? list.map(unbase64) : [null];
	if (proof.length > 128 || proof.some((h) => !h || h.length !== 32) || !inclusionHolds(e.index, c.size, e.hash, proof, c.root))
		refuse('its proof does not lead from the entry to the checkpoint');
	const inBase64 = receipt.has('payload_b64');
	const payload = inBase64 ? unbase64(text('payload_b64')) : utf8(text('payload')), salt = unbase64(text('salt'));
	if (!payload || !salt || salt.length !== 16 || payload.length !== e.size ||
		!bytesEqual(commitmentOf(salt, payload), e.commitment))
		refuse('its payload is not the one that the entry commits to');
	return { entry: e, payload };
}

class Custody {
	constructor(bundle, trusted) {
		this.bundle = bundle;
		this.trusted = trusted;
		this.earlier = 0;
	}

	async check(findings, progress) {
		const file = this.bundle.file('data/custody.ndjson'), lines = new Lines(file);
		let before = Infinity;
		for (;;) {
			let receipt = null;
			findings.judgeNow('custody', { path: file.path }, () => {
				const line = lines.next();
				receipt = line && jsonDocument(line, true);
				if (line && !(receipt instanceof Map))
					refuse('a receipt that is none');
			});
			if (findings.failed.has('custody') || !receipt)
				break;
			const number = lines.number;
			await findings.judge('custody', lines.where(), async () => {
				const { entry, payload } = await receiptHolds(receipt, this.trusted);
				if (entry.origin !== this.bundle.document.server + '/_system')
					refuse('it is not of the server\'s log _system');
				if (entry.index >= before)
					refuse('earlier exports are not in their order, the newest first');
				const said = jsonDocument(payload, false);
				if (!(said instanceof Map))
					refuse('its record is none of an export');
				if (number === 1)
					this.begin(entry, said);
				else
					this.finish(said, number);
				before = number === 1 ? Infinity : entry.index;
			});
			progress();
		}
		if (lines.number === 0)
			findings.fail('custody', 'it is empty', { path: file.path });
	}

	// The first line: that this export was begun.
	begin(entry, said) {
		const d = this.bundle.document, by = said.get('by');
		if (said.get('type') !== 'export.begin' || said.get('export') !== this.bundle.export)
			refuse('the first line is not that this export was begun');
		if (!jsonEqual(said.get('request'), d.request))
			refuse('what was asked for is not what bundle.json says');
		if (entry.time !== d.begun)
			refuse('it was begun at another time than bundle.json says');
		if ((d.request.get('reason') ?? '') !== d.reason)
			refuse('it was asked for with another reason than bundle.json says');
		if (!(by instanceof Map) || by.get('principal') !== d.requester)
			refuse('it was asked for by another one than bundle.json says');
	}

	finish(said, number) {
		if (said.get('type') !== 'export.finish' || number > EARLIER_MOST + 1)
			refuse('a line that is not of an earlier export, or too many of them');
		this.earlier++;
	}
}

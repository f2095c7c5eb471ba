// The page: what is chosen goes to the worker, what it found is shown. Every text is put in as text.

const at = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString('en');

// An element with a class, and children that are elements or texts.
function element(name, className, ...children) {
	const e = document.createElement(name);
	if (className)
		e.className = className;
	e.append(...children);
	return e;
}

function problem(text) {
	at('problem').textContent = text;
	at('problem').hidden = text === '';
}

function piecesInOrder(files) {
	if (files.length < 2)
		return files;
	const numbered = files.map((f) => ({ f, m: /^(.*)\.([0-9]{3,})$/.exec(f.name) }));
	if (numbered.some(({ m }) => !m || m[1] !== numbered[0].m[1]))
		throw new Error('Choose one bundle: a ZIP file, or the pieces .001, .002, … of one.');
	numbered.sort((a, b) => Number(a.m[2]) - Number(b.m[2]));
	if (numbered.some(({ m }, i) => Number(m[2]) !== i + 1))
		throw new Error('A piece is missing: choose all of them, from .001 on.');
	return numbered.map(({ f }) => f);
}

async function whatIsChosen() {
	const files = [...at('file').files], folder = [...at('folder').files];
	if (!files.length === !folder.length)
		throw new Error('Choose a bundle: either a ZIP file or a folder.');
	const key = at('key-file').files[0] && at('key').value.trim() === '' ? await at('key-file').files[0].text() : at('key').value;
	if (!isVkey(key.trim()))
		throw new Error('This is no verifier key. It is one line, NAME+ID+KEY, such as ' +
			'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k.');
	const older = await Promise.all([...at('older').files].map(async (f) => ({ name: f.name, bytes: new Uint8Array(await f.arrayBuffer()) })));
	const roots = at('roots').files[0] ? await at('roots').files[0].text() : null;
	return { key: key.trim(), blobs: piecesInOrder(files), older, roots,
		folder: folder.length ? folder.map((f) => [f.webkitRelativePath, f]) : null };
}

function isVkey(text) {
	return readVkey(text) !== null;
}

let worker = null;

function start(chosen) {
	const source = URL.createObjectURL(new Blob([at('worker').textContent], { type: 'text/javascript' }));
	worker = new Worker(source);
	URL.revokeObjectURL(source);
	worker.onmessage = ({ data }) => {
		if (data.progress !== undefined)
			showProgress(data.progress);
		else
			end(data);
	};
	worker.onerror = (e) => end({ error: e.message || 'the worker could not be started' });
	worker.postMessage(chosen);
}

function showProgress(part) {
	at('progress').value = part;
	at('progress-label').textContent = 'Verifying … ' + Math.floor(100 * part) + ' %';
}

function end({ result, error }) {
	worker.terminate();
	worker = null;
	at('working').hidden = true;
	at('go').disabled = false;
	document.body.dataset.state = error ? 'error' : result.verdict;
	if (error)
		problem('The bundle could not be verified: ' + error + '. This says nothing about it.');
	else
		show(result);
}

at('form').addEventListener('submit', async (event) => {
	event.preventDefault();
	problem('');
	at('result').hidden = true;
	try {
		const chosen = await whatIsChosen();
		document.body.dataset.state = 'working';
		at('go').disabled = true;
		at('working').hidden = false;
		showProgress(0);
		start(chosen);
	} catch (e) {
		document.body.dataset.state = 'error';
		problem(e.message);
	}
});

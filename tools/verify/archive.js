// What is opened: a ZIP (docs/formats.md section 10), whole or in pieces, or an unpacked folder. Both
// give files {path, size, open()}; open() gives a source with next(), piece by piece.

const PIECE = 1 << 20;

// Blobs one after another, read as one. readSlice(blob, from, to) gives bytes, at once.
class Pieces {
	constructor(blobs, readSlice) {
		this.readSlice = readSlice;
		this.parts = [];
		this.size = 0;
		for (const blob of blobs) {
			this.parts.push({ blob, first: this.size });
			this.size += blob.size;
		}
	}

	read(from, n) {
		const got = [];
		for (const { blob, first } of this.parts) {
			const a = Math.max(from, first), b = Math.min(from + n, first + blob.size);
			if (a < b)
				got.push(this.readSlice(blob, a - first, b - first));
		}
		const bytes = got.length === 1 ? got[0] : concat(...got);
		if (bytes.length !== n)
			refuse('the file ends too early');
		return bytes;
	}

	// A source of the n bytes from `from` on.
	source(from, n) {
		let at = from;
		const end = from + n;
		return {
			next: () => {
				const some = Math.min(PIECE, end - at);
				at += some;
				return some > 0 ? this.read(at - some, some) : null;
			},
		};
	}
}

function little(bytes, at, n) {
	let v = 0;
	for (let i = n - 1; i >= 0; i--)
		v = v * 256 + bytes[at + i];
	return v;
}

const END = 22, LOCATOR = 20, END64 = 56, CENTRAL = 46, LOCAL = 30, FULL = 0xffffffff;
const FILES_MOST = 1000000;

// The directory: {offset, size, count} of it, from the end of the file.
function zipEnd(zip) {
	const bad = (words) => refuse(words, { byte: zip.size });
	if (zip.size < END)
		bad('too short to be a ZIP file');
	const e = zip.read(zip.size - END, END);
	if (little(e, 0, 4) !== 0x06054b50)
		bad('not a ZIP file, or it was cut off, or something follows its end record');
	const disks = little(e, 4, 4), here = little(e, 8, 2), count = little(e, 10, 2);
	const size = little(e, 12, 4), offset = little(e, 16, 4);
	if (disks !== 0 || here !== count || little(e, 20, 2) !== 0)
		bad('its end record has a comment, or tells of other disks');
	if (count !== 0xffff && size !== FULL && offset !== FULL) {
		if (offset + size !== zip.size - END)
			bad('there is something between its directory and its end record');
		return { offset, size, count };
	}
	return zip64End(zip, { offset, size, count }, bad);
}

function zip64End(zip, old, bad) {
	const at = zip.size - END - LOCATOR - END64;
	if (at < 0)
		bad('its ZIP64 end record is missing');
	const e = zip.read(at, END64 + LOCATOR), l = e.subarray(END64);
	const size = little(e, 40, 8), offset = little(e, 48, 8), count = little(e, 32, 8);
	const fits = (v, seen, full) => seen === (v >= full ? full : v);
	if (little(l, 0, 4) !== 0x07064b50 || little(l, 4, 4) !== 0 || little(l, 8, 8) !== at || little(l, 16, 4) !== 1 ||
		little(e, 0, 4) !== 0x06064b50 || little(e, 4, 8) !== END64 - 12 || little(e, 12, 2) !== 0x032d || little(e, 14, 2) !== 45 || little(e, 16, 8) !== 0 ||
		little(e, 24, 8) !== count || offset + size !== at)
		bad('its ZIP64 end record is missing or contradicts itself');
	if (!fits(count, old.count, 0xffff) || !fits(size, old.size, FULL) || !fits(offset, old.offset, FULL))
		bad('its two end records contradict each other');
	return { offset, size, count };
}

// One header of the directory, at `at` in `dir`; of a local header with `local`.
function zipHeader(dir, at, local) {
	const fixed = local ? LOCAL : CENTRAL, shift = local ? 0 : 2;
	const bad = (words) => refuse(words);
	if (at + fixed > dir.length || little(dir, at, 4) !== (local ? 0x04034b50 : 0x02014b50))
		bad('a header is missing');
	const h = {
		version: little(dir, at + 4 + shift, 2), flags: little(dir, at + 6 + shift, 2),
		method: little(dir, at + 8 + shift, 2), time: little(dir, at + 10 + shift, 4), crc: little(dir, at + 14 + shift, 4),
		packed: little(dir, at + 18 + shift, 4), size: little(dir, at + 22 + shift, 4),
	};
	const nName = little(dir, at + 26 + shift, 2), nMore = little(dir, at + 28 + shift, 2);
	h.end = at + fixed + nName + nMore;
	if (h.end > dir.length)
		bad('a header is cut off');
	h.name = asciiText(dir.subarray(at + fixed, at + fixed + nName));
	if (nName > 255 || /[^!-~]/.test(h.name))
		bad('a file\'s name is too long or has characters that none has');
	if (h.flags !== 0 || (h.method !== 0 && h.method !== 8) || h.time !== 0x00210000)
		bad('the header of ' + h.name + ' has flags, a method or a time that no bundle has');
	if (!local) {
		if (little(dir, at + 4, 2) !== 0x0314 || little(dir, at + 32, 2) !== 0 || little(dir, at + 34, 2) !== 0 ||
			little(dir, at + 36, 2) !== 0 || little(dir, at + 38, 4) !== 0x81240000)
			bad('the header of ' + h.name + ' has attributes or a comment that no bundle has');
		h.offset = little(dir, at + 42, 4);
	}
	zip64More(h, dir, at + fixed + nName, nMore, local, bad);
	if (h.method === 0 && h.packed !== h.size)
		bad('the sizes of ' + h.name + ' contradict each other');
	return h;
}

// The extra field, which is there exactly when it must be.
function zip64More(h, dir, at, n, local, bad) {
	h.zip64 = h.packed === FULL && h.size === FULL && (local || h.offset === FULL);
	if (!h.zip64) {
		if (n !== 0 || h.packed === FULL || h.size === FULL || (!local && h.offset === FULL) || h.version !== 20)
			bad('the header of ' + h.name + ' has an extra field, a size or a version that no bundle has');
		return;
	}
	if (h.version !== 45 || n !== (local ? 20 : 28) || little(dir, at, 2) !== 1 || little(dir, at + 2, 2) !== n - 4)
		bad('the header of ' + h.name + ' has an extra field, a size or a version that no bundle has');
	h.size = little(dir, at + 4, 8);
	h.packed = little(dir, at + 12, 8);
	if (!local)
		h.offset = little(dir, at + 20, 8);
}

// The files of a strict ZIP, in order; `top` is the folder that all are in.
function openZip(zip) {
	const end = zipEnd(zip), files = [];
	if (end.count > FILES_MOST || end.size > end.count * (CENTRAL + 255 + 28))
		refuse('it has more files, or a larger directory, than a bundle may have');
	const dir = zip.read(end.offset, end.size);
	let at = 0, next = 0;
	for (let i = 0; i < end.count; i++) {
		const h = zipHeader(dir, at, false);
		at = h.end;
		if (h.offset !== next)
			refuse('there is a gap before ' + h.name + ', or files lie over each other', { path: h.name, byte: next });
		const local = zipLocal(zip, h, end.offset), from = h.offset + local.end;
		next = from + h.packed;
		if (h.zip64 !== (h.size >= FULL || h.packed >= FULL || h.offset >= FULL))
			refuse('ZIP64 where it is not needed, or not where it is', { path: h.name });
		files.push({ name: h.name, size: h.size, open: () => zipSource(zip, h, from) });
	}
	if (at !== dir.length || next !== end.offset)
		refuse('there is something between its files and its directory', { byte: next });
	return withTop(files);
}

function zipLocal(zip, h, limit) {
	const n = Math.min(LOCAL + 255 + 20, limit - h.offset);
	const local = zipHeader(n > 0 ? zip.read(h.offset, n) : new Uint8Array(0), 0, true);
	for (const field of ['version', 'name', 'flags', 'method', 'crc', 'packed', 'size', 'zip64'])
		if (local[field] !== h[field])
			refuse('the two headers of ' + h.name + ' contradict each other', { path: h.name, byte: h.offset });
	return local;
}

// A file's data, unpacked, of its size and CRC or refused.
function zipSource(zip, h, from) {
	const packed = zip.source(from, h.packed), plain = h.method === 8 ? new Inflate(packed) : packed;
	let crc = 0, n = 0;
	return {
		next: () => {
			const piece = plain.next();
			if (piece) {
				crc = crc32(crc, piece);
				n += piece.length;
			}
			if (n > h.size || (!piece && (n !== h.size || crc !== h.crc)))
				refuse('its data is damaged: size or CRC-32 differ', { path: h.name });
			return piece;
		},
	};
}

// All names begin with one folder, stele-EXPORT/: {top, files} with paths within it. That no two are one the
// order of the paths shows.
function withTop(files) {
	const top = files.length ? files[0].name.split('/')[0] : '';
	if (!/^stele-x-[a-z2-7]{10}$/.test(top))
		refuse('its files are not in a folder stele-EXPORT: this is no bundle');
	for (const f of files) {
		if (!f.name.startsWith(top + '/'))
			refuse('a file is outside the bundle\'s folder', { path: f.name });
		f.path = f.name.slice(top.length + 1);
	}
	return { top, files };
}

// The same of a folder's files, [path, blob]: of what its ZIP was like nothing can be said.
function openFolder(list, readSlice) {
	const bag = list.map(([path]) => path).filter((path) => path === 'bagit.txt' || path.endsWith('/bagit.txt'))
		.sort((a, b) => a.length - b.length)[0];
	if (bag === undefined)
		refuse('this folder has no bagit.txt: it is no unpacked bundle');
	const within = bag.slice(0, -'bagit.txt'.length);
	const files = list.filter(([path]) => path.startsWith(within)).map(([path, blob]) => {
		const pieces = new Pieces([blob], readSlice);
		return { name: path, path: path.slice(within.length), size: blob.size, open: () => pieces.source(0, blob.size) };
	});
	return { top: null, files };
}

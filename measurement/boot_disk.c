#include "measurement/boot_disk.h"

#include "measurement/slice.h"

#include <string.h>

#define SECTOR          512u
#define GPT_HEADER_SIZE 92u
#define GPT_ENTRIES_MAX 128u
#define GPT_ENTRY_SIZE  128u

/* C12A7328-F81F-11D2-BA4B-00A0C93EC93B */
static const uint8_t esp_type[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
				     0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};

static uint32_t crc32_of(struct span bytes, size_t zero_at)
{
	uint32_t crc = UINT32_MAX;
	size_t i;
	int bit;

	for (i = 0; i < bytes.n; i++) {
		crc ^= i >= zero_at && i < zero_at + 4 ? 0 : bytes.p[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* The partition table as an event, and the system partition. */
static bool read_gpt(struct boot_disk *out, struct span *esp, struct span disk, struct why *why)
{
	static const uint8_t none[16];
	struct span header, entries;
	uint64_t used = 0;
	uint8_t count[8];
	uint32_t i;

	if (!slice(&header, disk, SECTOR, GPT_HEADER_SIZE) ||
	    memcmp(header.p, "EFI PART", 8) != 0) {
		why_set(why, "the disk image has no GPT at its second sector");
		return false;
	}
	if (le32(header.p + 80) > GPT_ENTRIES_MAX || le32(header.p + 84) != GPT_ENTRY_SIZE ||
	    le64(header.p + 72) > disk.n / SECTOR ||
	    !slice(&entries, disk, le64(header.p + 72) * SECTOR,
		   (uint64_t)le32(header.p + 80) * GPT_ENTRY_SIZE)) {
		why_set(why,
			"the disk image's GPT has %u entries of %u bytes at sector %llu; up to %u "
			"of %u, within the image, are read",
			le32(header.p + 80), le32(header.p + 84),
			(unsigned long long)le64(header.p + 72), GPT_ENTRIES_MAX, GPT_ENTRY_SIZE);
		return false;
	}
	if (le32(header.p + 12) != GPT_HEADER_SIZE || crc32_of(header, 16) != le32(header.p + 16) ||
	    crc32_of(entries, entries.n) != le32(header.p + 88)) {
		why_set(
		    why,
		    "the check sums of the disk image's GPT are wrong: firmware would not use it");
		return false;
	}
	*esp = (struct span){NULL, 0};
	buf_init(&out->gpt_event, GPT_HEADER_SIZE + 8 + GPT_ENTRIES_MAX * GPT_ENTRY_SIZE);
	for (i = 0; i < le32(header.p + 80); i++)
		used += memcmp(entries.p + i * GPT_ENTRY_SIZE, none, 16) != 0;
	for (i = 0; i < 8; i++)
		count[i] = (uint8_t)(used >> (8 * i));
	if (!buf_add(&out->gpt_event, header.p, header.n) || !buf_add(&out->gpt_event, count, 8))
		goto memory;
	for (i = 0; i < le32(header.p + 80); i++) {
		const uint8_t *e = entries.p + i * GPT_ENTRY_SIZE;
		const uint64_t first = le64(e + 32), last = le64(e + 40);

		if (memcmp(e, none, 16) == 0)
			continue;
		if (!buf_add(&out->gpt_event, e, GPT_ENTRY_SIZE))
			goto memory;
		if (!esp->p && memcmp(e, esp_type, 16) == 0 && last >= first &&
		    last < disk.n / SECTOR)
			slice(esp, disk, first * SECTOR, (last - first + 1) * SECTOR);
	}
	if (!esp->p)
		why_set(why, "the disk image has no EFI system partition");
	return esp->p != NULL;
memory:
	why_set(why, "no memory for the partition table");
	return false;
}

struct fat {
	struct span table, data; /* the first FAT; the clusters, from number 2 on */
	uint32_t cluster_bytes, clusters, root;
};

static bool open_fat(struct fat *fat, struct span esp, struct why *why)
{
	const uint8_t *p = esp.p;
	uint64_t fat_at, data_at;

	if (esp.n < SECTOR || le16(p + 11) != SECTOR || p[13] == 0 || le16(p + 22) != 0 ||
	    p[16] == 0 || le16(p + 510) != 0xaa55 || memcmp(p + 82, "FAT32   ", 8) != 0) {
		why_set(why, "the EFI system partition is not FAT32 with sectors of %u bytes",
			SECTOR);
		return false;
	}
	fat_at = (uint64_t)le16(p + 14) * SECTOR;
	data_at = fat_at + (uint64_t)p[16] * le32(p + 36) * SECTOR;
	if (!slice(&fat->table, esp, fat_at, (uint64_t)le32(p + 36) * SECTOR) ||
	    !slice(&fat->data, esp, data_at, data_at <= esp.n ? esp.n - data_at : 0)) {
		why_set(why,
			"the file allocation table of the EFI system partition lies outside it");
		return false;
	}
	fat->cluster_bytes = p[13] * SECTOR;
	fat->clusters = (uint32_t)(fat->data.n / fat->cluster_bytes);
	fat->root = le32(p + 44);
	return true;
}

/* Appends a chain of clusters, max bytes of it. */
static bool read_chain(struct buf *out, const struct fat *fat, uint32_t cluster, uint64_t max,
		       struct why *why)
{
	uint32_t steps;
	struct span c = {NULL, 0};

	for (steps = 0; cluster < 0x0ffffff8 && out->len < max; steps++) {
		if (cluster < 2 || cluster - 2 >= fat->clusters ||
		    4 * (uint64_t)cluster + 4 > fat->table.n || steps > fat->clusters) {
			why_set(why,
				"a chain of clusters on the EFI system partition leads nowhere "
				"(cluster %u)",
				cluster);
			return false;
		}
		slice(&c, fat->data, (uint64_t)(cluster - 2) * fat->cluster_bytes,
		      fat->cluster_bytes);
		if (c.n > max - out->len)
			c.n = (size_t)(max - out->len);
		if (!buf_add(out, c.p, c.n)) {
			why_set(why, "more than %zu bytes on the EFI system partition are one file",
				out->max);
			return false;
		}
		cluster = le32(fat->table.p + 4 * (size_t)cluster) & 0x0fffffff;
	}
	return true;
}

#define ENTRY_SIZE      32u
#define ATTRIBUTE       11u
#define IS_LABEL        0x08u /* of the volume, and a part of a long name */
#define IS_DIRECTORY    0x10u
#define DIRECTORY_BYTES (65536u * ENTRY_SIZE)

struct file {
	uint32_t cluster, size;
};

enum found { FOUND, NOT_FOUND, UNREADABLE };

/* name: as in a directory, eight characters and three; shorter: what it starts with. */
static enum found look_up(struct file *out, const struct fat *fat, uint32_t directory,
			  const char *name, uint8_t kind, struct why *why)
{
	enum found found = NOT_FOUND;
	struct buf entries;
	size_t i;

	buf_init(&entries, DIRECTORY_BYTES);
	if (!read_chain(&entries, fat, directory, entries.max, why))
		found = UNREADABLE;
	for (i = 0; found == NOT_FOUND && i + ENTRY_SIZE <= entries.len && entries.p[i] != 0;
	     i += ENTRY_SIZE) {
		const uint8_t *e = entries.p + i;

		if ((e[ATTRIBUTE] & (IS_LABEL | IS_DIRECTORY)) != kind || e[0] == '.' ||
		    e[0] == 0xe5 || memcmp(e, name, strlen(name)) != 0)
			continue;
		out->cluster = (uint32_t)le16(e + 20) << 16 | le16(e + 26);
		out->size = le32(e + 28);
		found = FOUND;
	}
	buf_free(&entries);
	return found;
}

/* systemd-stub takes more of the command line and of the initial RAM disk from
 * \EFI\BOOT\BOOTX64.EFI.extra.d, \loader\credentials and \loader\addons; of long names the short
 * ones are anything. */
static bool check_companions(const struct fat *fat, uint32_t boot, struct why *why)
{
	static const char *const names[] = {"CREDEN", "ADDONS"};
	struct file loader, f;
	enum found found = look_up(&f, fat, boot, "", IS_DIRECTORY, why);
	size_t i;

	if (found == FOUND)
		why_set(why, "\\EFI\\BOOT on the EFI system partition holds a directory, from "
			     "which the stub may take what is measured");
	if (found != NOT_FOUND)
		return false;
	found = look_up(&loader, fat, fat->root, "LOADER     ", IS_DIRECTORY, why);
	for (i = 0; found == FOUND && i < sizeof names / sizeof *names; i++) {
		const enum found inner =
		    look_up(&f, fat, loader.cluster, names[i], IS_DIRECTORY, why);

		if (inner == FOUND)
			why_set(
			    why,
			    "\\LOADER on the EFI system partition holds a directory %s..., from "
			    "which the stub takes what is measured",
			    names[i]);
		if (inner != NOT_FOUND)
			return false;
	}
	return found != UNREADABLE;
}

static bool read_application(struct boot_disk *out, struct span esp, struct why *why)
{
	static const struct {
		const char *name;
		uint8_t kind;
	} path[] = {
	    {"EFI        ", IS_DIRECTORY}, {"BOOT       ", IS_DIRECTORY}, {"BOOTX64 EFI", 0}};
	enum found found = FOUND;
	struct file f = {0, 0};
	struct fat fat;
	uint32_t directory;
	size_t i;

	buf_init(&out->application, BOOT_APPLICATION_MAX);
	if (!open_fat(&fat, esp, why))
		return false;
	f.cluster = fat.root;
	for (i = 0; found == FOUND && i < 3; i++) {
		directory = f.cluster;
		found = look_up(&f, &fat, directory, path[i].name, path[i].kind, why);
	}
	if (found == NOT_FOUND)
		why_set(why, "the EFI system partition has no \\EFI\\BOOT\\BOOTX64.EFI");
	if (found != FOUND || !check_companions(&fat, directory, why))
		return false;
	if (!read_chain(&out->application, &fat, f.cluster, f.size, why))
		return false;
	if (out->application.len == f.size)
		return true;
	why_set(why, "BOOTX64.EFI has %u bytes by its directory, %zu by its clusters", f.size,
		out->application.len);
	return false;
}

bool boot_disk_read(struct boot_disk *out, struct span disk, struct why *why)
{
	struct span esp;

	memset(out, 0, sizeof *out);
	if (read_gpt(out, &esp, disk, why) && read_application(out, esp, why))
		return true;
	boot_disk_free(out);
	return false;
}

void boot_disk_free(struct boot_disk *disk)
{
	buf_free(&disk->gpt_event);
	buf_free(&disk->application);
}

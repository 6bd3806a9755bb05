# The root of the systemd flavour, sourced by guest/build: systemd's package and those that it needs, unpacked. No
# maintainer's script runs; there is no shell that could.

root_systemd() {
	local root=$work/root package directory
	mkdir -p "$root"/{dev,proc,sys,run,tmp,var,etc/systemd/system,usr/{bin,sbin,lib,lib64}}
	for directory in bin sbin lib lib64; do ln -s "usr/$directory" "$root/$directory"; done
	"$here/packages" fetch systemd >"$work/packages"
	while read -r package; do
		dpkg-deb --fsys-tarfile "$package" |
			tar -x -C "$root" --keep-directory-symlink --no-same-owner --exclude='./usr/share/*' --exclude='./var/*' --exclude='./etc/*'
	done <"$work/packages"
	# Programs beside systemd's own, and whatever makes units of what the host shows it.
	find "$root"/usr/bin "$root"/usr/sbin -mindepth 1 -delete
	rm -rf "$root"/usr/lib/systemd/{system-generators,user-generators,system-environment-generators,user-environment-generators,user,boot}
	find "$root/usr/lib/systemd" \( -name '*getty*' -o -name '*sulogin*' -o -name 'debug-shell*' -o -name 'rescue.service' \
		-o -name 'emergency.service' \) -prune -exec rm -rf {} +
	install -m 644 "$here/systemd/quote-gen.service" "$here/systemd/guest.target" "$root/usr/lib/systemd/system/"
	ln -sf guest.target "$root/usr/lib/systemd/system/default.target"
	printf 'ID=guest\nNAME="measured guest"\n' >"$root/etc/os-release"
	printf 'root:x:0:0::/:/nonexistent\n' >"$root/etc/passwd"
	printf 'root:x:0:\n' >"$root/etc/group"
	: >"$root/etc/machine-id"
	find "$root" ! -type l -perm /6000 -exec chmod ug-s {} +
}

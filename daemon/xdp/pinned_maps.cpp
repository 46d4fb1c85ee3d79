// SPDX-License-Identifier: MIT
#include "daemon/xdp/pinned_maps.h"

#include "bpf/abi.h"
#include "daemon/xdp/pins.h"
#include "protocol/base/entries.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

namespace xk::xdp {
namespace {

namespace fs = std::filesystem;

// `since`: the ABI version (bpf/abi.h) from which on the map means what it means now.
struct Pinned {
    std::string_view name;
    unsigned since;
};
constexpr auto kPinned = std::to_array<Pinned>({
    {"tags", 4},
    {"credentials", 1},
    {"seen", 1},
    {"local_addresses", 1},
    {"banned_addresses", 1},
    {"counters", 1},
    {"banned_networks", 1},
    {"candidates", 2},
    {"syn_guard", 1},
    {"known_sources", 1},
    {"forwarding", 1},
    {"ban_counts", 1},
    {"allowed_networks", 1},
    {"sequence_steps", 3},
    {"sequence_slots", 3},
    {"sequence_progress", 3},
    {"progress_locks", 3},
    {"sequence_failures", 4},
    {"hello_peers", 4},
    {"c_lock_runs", 4},
    {"c_lock_sources", 4},
    {"c_lock_attempts", 4},
    {"legacy_buckets", 4},
    {"legacy_record", 4},
});
static_assert(std::ranges::all_of(kPinned, [](const Pinned& p) { return p.since >= 1 && p.since <= XK_ABI_VERSION; }));

constexpr std::string_view kMaps = "maps";
constexpr std::string_view kSince = "since-";
constexpr unsigned kMisfits = 0; // no release has this number

// Returns 2 for "maps2", and none for every name that maps_directory() does not make, "maps02" for example.
std::optional<unsigned> number_of(std::string_view directory) {
    if (!directory.starts_with(kMaps))
        return std::nullopt;
    directory.remove_prefix(kMaps.size());
    unsigned number = 0;
    const auto [end, fault] = std::from_chars(directory.data(), directory.data() + directory.size(), number);
    if (fault != std::errc() || std::to_string(number) != directory)
        return std::nullopt;
    return number;
}

struct Shape {
    std::uint32_t type, key_size, value_size, most, flags, id;
    bool is_like(const Shape& other) const {
        return type == other.type && key_size == other.key_size && value_size == other.value_size &&
               flags == other.flags && most == other.most;
    }
    bool can_take_entries_of(const Shape& other) const {
        return type == other.type && key_size == other.key_size && value_size == other.value_size && key_size != 0;
    }
};

// Programs and links have a shape too; it equals that of no map of ours.
std::optional<Shape> shape_of(int fd) {
    bpf_map_info info{};
    __u32 size = sizeof info;
    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) != 0)
        return std::nullopt;
    return Shape{info.type, info.key_size, info.value_size, info.max_entries, info.map_flags, info.id};
}

Shape wanted(const bpf_map* map) {
    return {static_cast<std::uint32_t>(bpf_map__type(map)),
            bpf_map__key_size(map),
            bpf_map__value_size(map),
            bpf_map__max_entries(map),
            bpf_map__map_flags(map),
            0};
}

// The name of the pin. It is not the map's own name where the BPF file system does not take that.
std::string pin_name(const bpf_map* map) {
    const char* const path = bpf_map__pin_path(map);
    return path == nullptr ? std::string() : fs::path(path).filename().string();
}

template <typename Do>
void for_each_pinned(const bpf_object* object, Do act) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const auto known = std::ranges::find(kPinned, std::string_view(pin_name(map)), &Pinned::name);
        if (known != kPinned.end())
            act(map, *known);
    }
}

// Returns how many entries could not be written: the new map may be smaller.
std::size_t copy_entries(int from, int to, const Shape& shape) {
    // A per-CPU map has a value for each CPU; for other maps that is room enough.
    const auto cpus = static_cast<std::size_t>(std::max(1, libbpf_num_possible_cpus()));
    std::vector<char> key(shape.key_size), next(shape.key_size), value(cpus * ((shape.value_size + 7) / 8 * 8));
    std::size_t lost = 0;
    for (const void* at = nullptr; bpf_map_get_next_key(from, at, next.data()) == 0; at = key.data()) {
        key = next;
        if (bpf_map_lookup_elem(from, key.data(), value.data()) == 0 &&
            bpf_map_update_elem(to, key.data(), value.data(), BPF_ANY) != 0)
            ++lost;
    }
    return lost;
}

// A map that both releases share needs no copy. `from` may be -1: there is none.
void copy_map(int from, int to, const std::string& name, const std::function<void(const std::string&)>& note) {
    const auto old = shape_of(from), now = shape_of(to);
    if (old && now && old->id == now->id)
        return;
    if (!old || !now || !now->can_take_entries_of(*old))
        return note("the pinned map " + name + " has another layout or meaning and begins anew");
    if (const std::size_t lost = copy_entries(from, to, *old); lost != 0)
        note(std::to_string(lost) + " entries of the pinned map " + name + ", which had more room, do not fit");
}

} // namespace

// The pinned maps of another release, or of this one with another shape.
struct MapTakeover::Source {
    fs::path directory;
    unsigned abi;

    bool is_newer() const { return abi > XK_ABI_VERSION; }
    bool has(std::string_view name) const {
        std::error_code code;
        return fs::exists(fs::symlink_status(directory / name, code));
    }
    // Whether the map of this name means there what it means here. A newer release says so by its marks.
    bool has_same_meaning(const Pinned& pinned) const {
        if (!is_newer())
            return abi >= pinned.since;
        std::error_code code;
        const std::string mark = fs::read_symlink(directory / (std::string(kSince) + std::string(pinned.name)), code);
        unsigned since = 0;
        const auto [end, fault] = std::from_chars(mark.data(), mark.data() + mark.size(), since);
        return fault == std::errc() && end == mark.data() + mark.size() && since >= 1 && since <= XK_ABI_VERSION;
    }
};

namespace {

// Opens the earlier map of this name if it has the same meaning; else the result is empty.
Fd find_before(const std::vector<MapTakeover::Source>& sources, const Pinned& pinned, bool newer_too) {
    for (const auto& source : sources)
        if ((newer_too || !source.is_newer()) && source.has_same_meaning(pinned))
            if (Fd fd(bpf_obj_get((source.directory / pinned.name).c_str())); fd)
                return fd;
    return Fd();
}

// The nearest version comes first, and newer releases come last. If maps of an older release are beside those of a
// newer one, the newer filter was never attached: that start removes the older maps.
std::vector<MapTakeover::Source> sources_in(const std::string& pins) {
    std::vector<MapTakeover::Source> sources;
    std::error_code code;
    for (const auto& entry : entries_of(pins, code)) {
        const auto number = number_of(entry.path().filename().string());
        if (number && *number != XK_ABI_VERSION)
            sources.push_back({entry.path(), *number == kMisfits ? XK_ABI_VERSION : *number});
    }
    const auto distance = [](const MapTakeover::Source& source) {
        return source.is_newer() ? source.abi : XK_ABI_VERSION - source.abi;
    };
    std::ranges::sort(sources, std::less(), distance);
    return sources;
}

} // namespace

bool is_pinned(std::string_view name) { return std::ranges::find(kPinned, name, &Pinned::name) != kPinned.end(); }

std::string maps_directory(const std::string& pins) {
    return pins + "/" + std::string(kMaps) + std::to_string(XK_ABI_VERSION);
}

std::string misfits_directory(const std::string& pins) {
    return pins + "/" + std::string(kMaps) + std::to_string(kMisfits);
}

bool is_maps_directory(std::string_view name) { return number_of(name).has_value(); }

Result<void> pin_again(const bpf_object* running) {
    Result<void> done;
    for_each_pinned(running, [&](const bpf_map* map, const Pinned&) {
        const char* const pin = bpf_map__pin_path(map);
        const auto ours = shape_of(bpf_map__fd(map)), there = shape_of(Fd(bpf_obj_get(pin)).get());
        if (!done || (ours && there && ours->is_like(*there) && ours->id == there->id))
            return;
        std::error_code code;
        fs::remove_all(pin, code);
        if (bpf_obj_pin(bpf_map__fd(map), pin) != 0)
            done = os_error("pinning the map " + in_quotes(pin) + " again", "rm -r " + std::string(pin));
    });
    return done;
}

MapTakeover::MapTakeover(const bpf_object* object, std::string pins) : object_(object), pins_(std::move(pins)) {}
MapTakeover::~MapTakeover() = default;

Result<void> MapTakeover::prepare() {
    if (auto done = move_misfits(); !done)
        return done;
    sources_ = sources_in(pins_);
    for_each_pinned(object_, [&](const bpf_map* map, const Pinned& pinned) {
        const Fd before = find_before(sources_, pinned, true);
        if (const auto shape = shape_of(before.get()); shape && shape->is_like(wanted(map)))
            // Otherwise it is copied. A pin that is there stays: an unfinished start left it, or it is in use.
            (void)bpf_obj_pin(before.get(), bpf_map__pin_path(map));
    });
    return {};
}

// Moves aside what libbpf would refuse: a pinned map of another shape, or another object of the name.
Result<void> MapTakeover::move_misfits() {
    const fs::path aside = misfits_directory(pins_);
    Result<void> done;
    for_each_pinned(object_, [&](const bpf_map* map, const Pinned& pinned) {
        const fs::path pin = bpf_map__pin_path(map);
        std::error_code code;
        if (!done || !fs::exists(fs::symlink_status(pin, code)))
            return;
        const Fd fd(bpf_obj_get(pin.c_str()));
        const int failure = fd ? 0 : errno;
        if ((failure == EACCES || failure == EPERM) && !fs::is_directory(pin, code)) {
            done = os_error_of(failure, "opening the pinned map " + in_quotes(pin.string()),
                               "it belongs to another user, and xknockd may have run as that one: "
                               "chown -R --reference=" +
                                   pins_ + " " + pins_);
            return;
        }
        if (const auto shape = shape_of(fd.get()); shape && shape->is_like(wanted(map))) {
            present_.insert(pinned.name);
            return;
        }
        make_directory_of_pins(aside);
        fs::remove_all(aside / pinned.name, code);
        fs::rename(pin, aside / pinned.name, code);
        if (code)
            done =
                Error{"moving " + in_quotes(pin.string()) + " aside, which is no map of this filter: " + code.message(),
                      "rm -r " + pin.string(), Exit::failed};
    });
    return done;
}

void MapTakeover::finish(const Note& note) {
    const bool is_first_start = present_.empty() && sources_.empty();
    for_each_pinned(object_, [&](const bpf_map* map, const Pinned& pinned) {
        write_mark(pinned.name, pinned.since);
        const std::string name(pinned.name);
        // If our own map was there, a newer release's map is not more recent, because that release was never attached.
        // An older release's map may be more recent: a start may have copied it and ended before it attached.
        const bool was_there = present_.contains(pinned.name);
        const Fd before = find_before(sources_, pinned, !was_there);
        if (was_there && !before)
            return;
        if (std::ranges::any_of(sources_, [&](const Source& s) { return s.has(name); }))
            return copy_map(before.get(), bpf_map__fd(map), name, note);
        // A release before `since` may have had no such map.
        const bool is_known = !present_.empty() || std::ranges::any_of(sources_, [&](const Source& s) {
            return s.has_same_meaning(pinned);
        });
        if (!is_first_start && is_known)
            note("the pinned map " + name + " is gone from " + pins_ + " and begins anew");
    });
}

// Writes the mark for an older release that starts after this one: the ABI version since which the map has its meaning.
void MapTakeover::write_mark(std::string_view name, unsigned since) const {
    const std::string path = maps_directory(pins_) + "/" + std::string(kSince) + std::string(name);
    const std::string mark = std::to_string(since);
    std::error_code code;
    if (fs::read_symlink(path, code) == mark)
        return;
    fs::remove(path, code);
    fs::create_symlink(mark, path, code);
}

} // namespace xk::xdp

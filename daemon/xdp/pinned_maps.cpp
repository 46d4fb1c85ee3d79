// SPDX-License-Identifier: MIT
#include "daemon/xdp/pinned_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
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
constexpr Pinned kPinned[] = {
    {"tags", 1},
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
};
static_assert(XK_ABI_VERSION >= 1);

constexpr std::string_view kMaps = "maps";
constexpr unsigned kMisfits = 0; // no release has this number

unsigned number_of(std::string_view directory) {
    unsigned number = 0;
    std::from_chars(directory.data() + kMaps.size(), directory.data() + directory.size(), number);
    return number;
}

struct Source {
    fs::path directory;
    unsigned abi;
};

// The nearest one first. What a newer release means by its maps is not known here.
std::vector<Source> sources_in(const std::string& pins) {
    std::vector<Source> sources;
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(pins, code)) {
        const std::string name = entry.path().filename();
        if (!is_maps_directory(name) || number_of(name) >= XK_ABI_VERSION)
            continue;
        const unsigned number = number_of(name);
        sources.push_back({entry.path(), number == kMisfits ? XK_ABI_VERSION : number});
    }
    std::ranges::sort(sources, std::greater(), &Source::abi);
    return sources;
}

struct Shape {
    std::uint32_t type, key_size, value_size, most, flags, id;
    bool is_like(const Shape& other) const {
        return type == other.type && key_size == other.key_size && value_size == other.value_size &&
               flags == other.flags && most == other.most;
    }
    bool takes_entries_of(const Shape& other) const {
        return type == other.type && key_size == other.key_size && value_size == other.value_size && key_size != 0;
    }
};

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

// Its pin is named by us where its own name is none that the BPF file system takes.
std::string pin_name(const bpf_map* map) {
    const char* const path = bpf_map__pin_path(map);
    return path == nullptr ? std::string() : fs::path(path).filename().string();
}

template <typename Do>
void for_each_pinned(const bpf_object* object, Do act) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const auto known = std::ranges::find(kPinned, std::string_view(pin_name(map)), &Pinned::name);
        if (known != std::end(kPinned))
            act(map, *known);
    }
}

// Where the map of before is, if one of the same meaning is there.
Fd find_before(const std::vector<Source>& sources, const Pinned& pinned) {
    for (const Source& source : sources)
        if (source.abi >= pinned.since)
            if (Fd fd(bpf_obj_get((source.directory / pinned.name).c_str())); fd)
                return fd;
    return Fd();
}

bool is_per_cpu(std::uint32_t type) {
    return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
           type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

// The number of entries that could not be written: the new map is smaller, say.
std::size_t copy_entries(int from, int to, const Shape& shape) {
    const std::size_t cpus =
        is_per_cpu(shape.type) ? static_cast<std::size_t>(std::max(1, libbpf_num_possible_cpus())) : 1;
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

} // namespace

bool is_pinned(std::string_view name) { return std::ranges::find(kPinned, name, &Pinned::name) != std::end(kPinned); }

std::string maps_directory(const std::string& pins) {
    return pins + "/" + std::string(kMaps) + std::to_string(XK_ABI_VERSION);
}

std::string misfits_directory(const std::string& pins) {
    return pins + "/" + std::string(kMaps) + std::to_string(kMisfits);
}

bool is_maps_directory(std::string_view name) {
    return name.starts_with(kMaps) && name.size() > kMaps.size() &&
           name.find_first_not_of("0123456789", kMaps.size()) == name.npos;
}

void share_maps_of_before(const bpf_object* object, const std::string& pins) {
    const std::vector<Source> sources = sources_in(pins);
    if (sources.empty())
        return;
    for_each_pinned(object, [&](const bpf_map* map, const Pinned& pinned) {
        const std::string pin = bpf_map__pin_path(map);
        if (::access(pin.c_str(), F_OK) == 0)
            return; // of a start that did not come to its end, or ours
        const Fd before = find_before(sources, pinned);
        if (const auto shape = shape_of(before.get()); shape && shape->is_like(wanted(map)))
            (void)bpf_obj_pin(before.get(), pin.c_str()); // else it is copied
    });
}

void copy_maps_of_before(const bpf_object* object, const std::string& pins,
                         const std::function<void(const std::string&)>& note) {
    const std::vector<Source> sources = sources_in(pins);
    if (sources.empty())
        return;
    for_each_pinned(object, [&](const bpf_map* map, const Pinned& pinned) {
        const std::string name(pinned.name);
        if (std::ranges::none_of(sources, [&](const Source& s) { return fs::exists(s.directory / name); }))
            return; // that release had none, or ours fits
        const Fd before = find_before(sources, pinned);
        const auto old = shape_of(before.get()), now = shape_of(bpf_map__fd(map));
        if (old && now && old->id == now->id)
            return;
        if (!old || !now || !now->takes_entries_of(*old))
            return note("the filter's map " + name + " of another release has another layout and begins anew");
        if (const std::size_t lost = copy_entries(before.get(), bpf_map__fd(map), *old); lost != 0)
            note(std::to_string(lost) + " entries of the filter's map " + name + " of another size do not fit");
    });
}

std::size_t move_misfits(const bpf_object* object, const std::string& pins) {
    const std::string aside = misfits_directory(pins);
    std::size_t moved = 0;
    for_each_pinned(object, [&](const bpf_map* map, const Pinned& pinned) {
        const std::string pin = bpf_map__pin_path(map);
        const Fd fd(bpf_obj_get(pin.c_str()));
        if (const auto shape = shape_of(fd.get());
            ::access(pin.c_str(), F_OK) != 0 || (shape && shape->is_like(wanted(map))))
            return;
        ::mkdir(aside.c_str(), 0700);
        if (::rename(pin.c_str(), (aside + "/" + std::string(pinned.name)).c_str()) == 0 || ::unlink(pin.c_str()) == 0)
            ++moved;
    });
    return moved;
}

} // namespace xk::xdp

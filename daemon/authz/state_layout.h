// SPDX-License-Identifier: MIT
//
// How judgement's memory lies in a file: a directory, and the sections that it names, one behind the other. The file in
// /run (mapped, live) and its copy in /var/lib (written as a whole) are of this one form. Written and read on one
// machine, so in its own byte order.
//
//   magic, boot id    these two lie here in every layout, past and future
//   sections          type, version, size of one record, place, length; checksum in a copy
//   checksum          of the directory
//
// A live file has no checksum over its sections: they change with every knock, without a system call, and each record
// is valid by its last store. Its directory never changes: another one is another file.
//
// The layout of the release before is in state_before.h. A change of a record here is a new version of its section; the
// old record moves to state_before.h, and state_read.cpp learns to turn one into the other.
#pragma once

#include "protocol/base/bytes.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace xk::authz {

// "xknock" and two digits: the form of the directory. 03 is the release before, which had none.
inline constexpr std::uint64_t kStateMagic = 0x786b6e6f636b3034;

enum class SectionType : std::uint32_t { none = 0, judgement = 1, credentials = 2, asked = 3, replay = 4, pending = 5 };

struct Section {
    SectionType type = SectionType::none; // or one of a release to come
    std::uint32_t version = 0;
    std::uint32_t optional = 0; // 1: who does not know it may leave it out
    std::uint32_t record_size = 0;
    std::uint64_t offset = 0; // from the begin of the file
    std::uint64_t length = 0; // bytes: whole records
    Bytes<32> checksum{};     // BLAKE2b; all zero in a live file
};
static_assert(sizeof(Section) == 64);

inline constexpr std::size_t kMostSections = 16;

struct StateDirectory {
    std::uint64_t magic = 0; // stored last; 0: the file was begun and is not whole
    Bytes<16> boot_id{};     // of the boot whose BootTime is used here; of a copy: all zero, no daemon wrote one yet
    std::uint32_t live = 0;  // 1: mapped by a worker; 0: a copy
    std::uint32_t sections = 0;
    std::uint64_t size = 0; // of the file
    std::array<Section, kMostSections> section{};
    Bytes<32> checksum{}; // BLAKE2b over all before
};
static_assert(sizeof(StateDirectory) == 40 + kMostSections * 64 + 32 && sizeof(StateDirectory) % 8 == 0);

// What a reader finds.
enum class StateFit {
    whole,
    empty,      // nothing there, or begun and not whole (a live file only)
    other_boot, // of a live file: its times mean nothing
    newer,      // a release to come wrote it
    too_old,    // a release before the one before did
    damaged,
};
// "was written by a newer release", for the operator; empty where there is nothing to complain of.
std::string_view complaint_of(StateFit fit);

// Whether the release that wrote this first word is ours (whole), or which else.
StateFit fit_of_magic(std::uint64_t magic);
inline constexpr std::uint64_t kMagicBefore = kStateMagic - 1; // state_before.h

Bytes<32> checksum_of(ByteView bytes);
// To be called when everything else is in there.
void seal_directory(StateDirectory& directory);
bool is_sealed(const StateDirectory& directory); // as seal_directory() left it

// Whether the directory of a file of `size` bytes can be read by us: every section that must be known is, all lie one
// behind the other in the file, and none is there twice. What the sections hold is not looked at.
StateFit check_directory(const StateDirectory& directory, std::uint64_t size, bool live);

// Where the section is; nothing where it is not there, or is of a version that we do not know.
const Section* find_section(const StateDirectory& directory, SectionType type);

} // namespace xk::authz

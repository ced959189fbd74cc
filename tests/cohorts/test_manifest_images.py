"""Images and masks that a manifest names are found and checked, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from cohorts import BenchmarkError

from manifests import PATIENTS, codes, draw, load, load_plain, table_of, text_of, write


class TestImages:
    def skin(self, folder: Path) -> Path:
        """Write a skin data set: colour photographs of four classes, two kinds of column."""
        for i in range(8):
            draw(folder / "photos" / f"s{i}.jpg", mode="RGB")
            draw(folder / "photos" / f"s{i}_mask.png")
        classes = ("naevus", "melanoma", "keratosis", "dermatofibroma")
        rows = "".join(
            f"{i},s{i}.jpg,s{i}_mask.png,0.1,{40 + i * i},back,{classes[i % 4]}\n" for i in range(8)
        )
        return write(folder, f"id,photo,mask,pixel_mm,age,place,y\n{rows}")

    skin_images: ClassVar[dict[str, Any]] = {
        "dermoscopy": {
            "image": "photo",
            "mask": "mask",
            "spacing_mm": "pixel_mm",
            "root": "photos",
        }
    }

    def test_a_skin_data_set(self, tmp_path):
        """Nothing is particular to the breast: four classes, colour, a root, spacing."""
        cohort = load_plain(self.skin(tmp_path), images=self.skin_images)
        assert cohort.modalities == ("dermoscopy", "clinical")
        assert cohort.positive_class == "melanoma"
        assert len(cohort.classes) == 4
        (record,) = cohort.images[0].records[3]
        assert record.path == tmp_path / "photos" / "s3.jpg"
        assert record.masks == (tmp_path / "photos" / "s3_mask.png",)
        assert (record.spacing_mm, record.size_px) == (0.1, (16, 16))
        assert list(table_of(cohort, "clinical")) == ["age", "place"]

    def test_images_only(self, tmp_path):
        """A cohort needs no tabular column."""
        options = {"images": self.skin_images, "modalities": {}}
        assert load_plain(self.skin(tmp_path), **options).modalities == ("dermoscopy",)

    def test_tables_only(self, tmp_path):
        """A cohort needs no image."""
        assert load(write(tmp_path, PATIENTS)).images == ()

    def test_a_case_may_lack_an_image(self, tmp_path):
        """An empty cell is a case without image, and the page counts them."""
        draw(tmp_path / "a.png")
        path = write(tmp_path, "id,f,x,y\n1,a.png,1,a\n2,,2,b\n")
        cohort = load_plain(path, images={"us": {"image": "f", "spacing_mm": 0.2}})
        assert [len(records) for records in cohort.images[0].records] == [1, 0]
        assert cohort.images[0].records[0][0].spacing_mm == 0.2
        assert text_of(cohort, "missing-images") == "1 of 2 cases have no image of us."

    def test_a_modality_without_any_image_is_left_out(self, tmp_path):
        """An empty image column is treated as any other empty column."""
        path = write(tmp_path, "id,f,x,y\n1,,1,a\n2,,2,b\n")
        cohort = load_plain(path, images={"us": {"image": "f"}})
        assert cohort.modalities == ("clinical",)
        assert "empty-columns" in codes(cohort)

    @pytest.mark.parametrize(
        ("cells", "options", "expected"),
        [
            ("a.png,m.png;n.png", {"image": "f", "mask": "g"}, [("a.png", ["m.png", "n.png"])]),
            ("a.png; b.png,", {"image": "f", "mask": "g"}, [("a.png", []), ("b.png", [])]),
            (
                "a.png;b.png,m.png;n.png",
                {"image": "f", "mask": "g"},
                [("a.png", ["m.png"]), ("b.png", ["n.png"])],
            ),
            ("a.png,b.png", {"image": ["f", "g"]}, [("a.png", []), ("b.png", [])]),
            ("a.png,m.png", {"image": "f", "mask": ["g"]}, [("a.png", ["m.png"])]),
            ("sub\\s.png,", {"image": "f"}, [("s.png", [])]),
        ],
    )
    def test_images_and_masks_are_paired(self, tmp_path, cells, options, expected):
        """One image has all masks; several are paired in order; Windows paths are understood."""
        for name in ("a.png", "b.png", "m.png", "n.png", "sub/s.png"):
            draw(tmp_path / name)
        path = write(tmp_path, f"id,f,g,x,y\n1,{cells},1,a\n2,a.png,,2,b\n")
        records = load_plain(path, images={"us": options}).images[0].records[0]
        found = [(one.path.name, [mask.name for mask in one.masks]) for one in records]
        assert found == expected

    def test_two_image_columns_have_their_masks_beside_them(self, tmp_path):
        """The i-th mask column belongs to the i-th image column, also where one is empty."""
        for name in ("a.png", "b.png", "m.png", "n.png"):
            draw(tmp_path / name)
        path = write(tmp_path, "id,f,g,h,i,y\n1,a.png,b.png,m.png,n.png,a\n2,,b.png,,n.png,b\n")
        cohort = load_plain(path, images={"us": {"image": ["f", "g"], "mask": ["h", "i"]}})
        named = [
            [(one.path.name, one.masks[0].name) for one in records]
            for records in cohort.images[0].records
        ]
        assert named == [[("a.png", "m.png"), ("b.png", "n.png")], [("b.png", "n.png")]]

    @pytest.mark.parametrize(
        ("row", "options", "message"),
        [
            (
                "none.png,,0.1",
                {},
                r"1 of 2 us image and mask files do not exist.* row 2.*none\.png",
            ),
            ("zero.png,,0.1", {}, r"zero\.png' is empty \(0 bytes\)"),
            ("text.png,,0.1", {}, r"text\.png' cannot be read as an image"),
            ("a.png,small.png,0.1", {}, r"small\.png' has 8 × 8 pixels.* 16 × 16"),
            (",a.png,0.1", {}, r"row 2, column 'f': there is a mask but no image"),
            ("a.png;a.png,a.png,0.1", {}, r"2 images have 1 mask\(s\)"),
            ("a.png,,-1", {}, r"'s' of patients\.csv, row 2: '-1' is no pixel spacing"),
            ("a.png,,0.1", {"root": "elsewhere"}, r"elsewhere' of the us images does not exist"),
            ("a.png,,0.1", {"image": ["f", "f"]}, "2 image columns and 1 mask columns"),
            ("a.png,,0.1", {"image": []}, "names no column"),
        ],
    )
    def test_bad_images_are_named(self, tmp_path, row, options, message):
        """A file or a pairing that will not do is named with its row or path."""
        draw(tmp_path / "a.png")
        draw(tmp_path / "small.png", size=(8, 8))
        (tmp_path / "zero.png").touch()
        write(tmp_path, "no image", "text.png")
        path = write(tmp_path, f"id,f,g,s,x,y\n1,{row},1,a\n2,a.png,,0.1,2,b\n")
        images = {"us": {"image": "f", "mask": "g", "spacing_mm": "s", **options}}
        with pytest.raises(BenchmarkError, match=message):
            load_plain(path, images=images)

from moongate.index.shapes import BAR_WIDTH, SPARK_HEIGHT, SPARK_WIDTH, Standing, bar, plot, spark
from moongate.report.evidence import ValidationPoint
from moongate.report.verdict import Finding, Mark


def test_a_curve_falls_where_the_loss_falls_and_marks_the_kept_step() -> None:
    found = spark([ValidationPoint(0, 0.5), ValidationPoint(10, 0.1), ValidationPoint(20, 0.3)], 10)
    assert found is not None
    places = [tuple(map(float, point.split(","))) for point in found.points.split()]
    assert [x for x, _ in places] == [4, SPARK_WIDTH / 2, SPARK_WIDTH - 4]
    heights = [y for _, y in places]
    assert heights[1] == SPARK_HEIGHT - 4 == max(heights)
    assert heights[0] == 4 == min(heights)
    assert (found.kept_x, found.kept_y) == places[1]


def test_one_point_is_no_curve_and_an_even_loss_is_a_level_line() -> None:
    assert spark([ValidationPoint(0, 0.5)], 0) is None
    level = spark([ValidationPoint(0, 0.5), ValidationPoint(1, 0.5)], 7)
    assert level is not None
    assert level.points == f"4.0,{SPARK_HEIGHT / 2} {SPARK_WIDTH - 4:.1f},{SPARK_HEIGHT / 2}"
    assert level.kept_x is None


def test_a_share_beyond_its_bounds_is_drawn_at_the_end() -> None:
    found = bar(Finding("yes", Mark(0.7, 0.35, rising=True), share=1.2, low=0.5, high=1.4))
    assert found.dot_x == BAR_WIDTH - 4
    assert found.band_x == BAR_WIDTH / 2
    assert found.band_x + found.band_width == BAR_WIDTH - 4
    assert 0 < found.mark_x < found.dot_x


def test_the_plot_shows_every_run_the_front_and_the_gate() -> None:
    runs = [Standing(1, "a", (0.2, 1.0)), Standing(2, "b", (0.8, 0.9)), Standing(4, "c", (0.1, 0.5))]
    found = plot(runs, {1, 2}, [(0.2, 1.0), (0.8, 0.9)], 2, (0.7, 0.9))
    assert found is not None
    assert [point.on_front for point in found.points] == [True, True, False]
    assert [point.is_chosen for point in found.points] == [False, True, False]
    a, b, c = found.points
    assert c.x < a.x < b.x
    assert a.y < b.y < c.y
    assert found.mark_y == b.y
    assert found.front == f"M{a.x} {a.y}V{b.y}H{b.x}"
    assert [point.number for point in found.points] == ["1", "2", ""]
    assert [point.name for point in found.points] == ["1 a", "2 b", "4 c"]
    assert plot([], (), [], None, None) is None

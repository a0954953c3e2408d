"""Write the report of a run as one HTML page. Needs the extra `report`."""
